import { Button } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import classes from "./Groups.module.css";
import { text } from "./text";

/** How much the draft changes and where, in reach on every part of the page. */
export function DraftBar({ changes, hosts, refusal, onDiscard, onPreview }: { changes: number; hosts: number | undefined; refusal: string | null; onDiscard: () => void; onPreview: () => void }) {
  return (
    <section className={classes.bar} aria-label={text.bar}>
      <strong>{text.bar}</strong>
      <span className="num" role="status">
        {text.barOf(changes)}
        {hosts !== undefined && `, ${text.barHosts(hosts)}`}
      </span>
      {refusal && (
        <span className={classes.flag}>
          <IconAlertTriangle size={14} stroke={1.5} aria-hidden />
          {`${text.refusedHere}: ${refusal}`}
        </span>
      )}
      <span className={classes.spacer} />
      <Button onClick={onDiscard}>{text.discard}</Button>
      <Button variant="filled" onClick={onPreview}>
        {text.preview}
      </Button>
    </section>
  );
}
