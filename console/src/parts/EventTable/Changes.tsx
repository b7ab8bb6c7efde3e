import { Untrusted } from "../Command/Command";
import classes from "./Changes.module.css";
import type { Change } from "./data";
import { text } from "./text";

/** Before and after, one field a row; what came and what went has a sign, not only a colour. */
export function Changes({ changes }: { changes: Change[] }) {
  return (
    <section aria-label={text.changes}>
      <dl className={classes.changes}>
        {changes.map((change) => (
          <div key={change.path}>
            <dt className="mono">
              <Untrusted>{change.path}</Untrusted>
            </dt>
            <Value sign="−" label={text.before} value={change.before} className={classes.before} />
            <Value sign="+" label={text.after} value={change.after} className={classes.after} />
          </div>
        ))}
      </dl>
    </section>
  );
}

function Value({ sign, label, value, className }: { sign: string; label: string; value: unknown; className?: string }) {
  return (
    <dd className={className}>
      <span aria-hidden>{sign}</span>
      <span className="visually-hidden">{label}</span>
      <span>{value === null || value === undefined ? <i>{text.nothing}</i> : <Untrusted>{typeof value === "string" ? value : JSON.stringify(value)}</Untrusted>}</span>
    </dd>
  );
}
