import { plain } from "../../words/escape";
import classes from "../Command/Command.module.css";
import { Untrusted } from "../Command/Command";
import { Copy } from "../Command/Copy";
import { HostLink } from "../HostLink/HostLink";
import { text } from "../text";
import { TimeAgo } from "../TimeAgo/TimeAgo";

/** What was observed, as captured: where, when, and the text itself; never rendered as anything but text. */
export function EvidenceBlock({ evidence, host, time }: { evidence: string; host: string; time: string }) {
  return (
    <div className={classes.command}>
      <div className={classes.head}>
        <span className={classes.facts}>
          <HostLink host={host} />
          <TimeAgo time={time} />
        </span>
        <Copy value={plain(evidence)} what={text.evidence} />
      </div>
      <pre className={classes.body}>
        <Untrusted>{evidence}</Untrusted>
      </pre>
    </div>
  );
}
