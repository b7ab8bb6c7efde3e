import { formatPercent } from "../../words/format";
import classes from "./Meter.module.css";

/** A small bar with its number. It has no colour of its own: only an alarm rule may call a value bad. */
export function Meter({ ratio }: { ratio: number | null | undefined }) {
  if (ratio === null || ratio === undefined) return <span className="meta">–</span>;
  return (
    <span className={classes.meter}>
      <span className={classes.track} aria-hidden>
        <span className={classes.fill} style={{ display: "block", inlineSize: `${Math.min(100, Math.max(0, ratio * 100))}%` }} />
      </span>
      <span className={classes.value}>{formatPercent(ratio)}</span>
    </span>
  );
}
