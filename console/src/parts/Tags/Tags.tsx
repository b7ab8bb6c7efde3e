import { plain } from "../../words/escape";
import { tagWords, type Tags as TagMap } from "../../words/tags";
import { text } from "../text";
import classes from "./Tags.module.css";

/** Tags as chips. In a table `max` stand on one line; the rest is counted, and named on hover. */
export function Tags({ tags, max }: { tags: TagMap; max?: number }) {
  const words = tagWords(tags).map(plain);
  const shown = words.slice(0, max);
  const rest = words.slice(shown.length);
  return (
    <span className={max === undefined ? classes.tags : `${classes.tags} ${classes.line}`}>
      {shown.map((word) => (
        <span key={word} className={classes.tag} title={word}>
          {word}
        </span>
      ))}
      {rest.length > 0 && (
        <span className={classes.tag} title={rest.join(" ")}>
          {text.moreTags(rest.length)}
        </span>
      )}
    </span>
  );
}
