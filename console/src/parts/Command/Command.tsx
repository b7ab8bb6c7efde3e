import { pieces, plain } from "../../words/escape";
import { text } from "../text";
import classes from "./Command.module.css";
import { Copy } from "./Copy";

/** Text that others wrote: characters that would hide or reorder something are shown as escapes. */
export function Untrusted({ children }: { children: string }) {
  return pieces(children).map((piece, i) =>
    piece.escaped ? (
      <span key={i} className={classes.escaped}>
        {piece.text}
      </span>
    ) : (
      piece.text
    ),
  );
}

/** A command to paste, with the machine and the account that it is meant for; `note` instead says what
 * else it is, and `what` how the button that copies it calls it. */
export function Command({ command, on, as, note, what = text.table.exportCommand }: { command: string; on?: string; as?: string; note?: string; what?: string }) {
  return (
    <div className={classes.command}>
      <div className={classes.head}>
        <span className={classes.facts}>
          {on && <span>{text.onHost(on)}</span>}
          {as && <span>{as}</span>}
          {note && <span>{note}</span>}
        </span>
        <Copy value={plain(command)} what={what} />
      </div>
      <pre className={classes.body}>
        <Untrusted>{command}</Untrusted>
      </pre>
    </div>
  );
}
