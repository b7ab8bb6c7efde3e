import type { CellState } from "../../../api/firewall";
import classes from "./Exposure.module.css";

/** The sign of a cell: drawn, so that it is the same on every machine; its words stand beside it. */
export function Sign({ state, risk }: { state: CellState | "nothing"; risk?: boolean }) {
  return <span className={classes.sign} data-state={state} data-risk={risk ? "" : undefined} aria-hidden />;
}
