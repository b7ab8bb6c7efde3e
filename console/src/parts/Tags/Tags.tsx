import { plain } from "../../words/escape";
import { tagWords, type Tags as TagMap } from "../../words/tags";
import { text } from "../text";
import classes from "./Tags.module.css";

/** Tags as chips; beyond `max` the rest is counted, and named on hover. */
export function Tags({ tags, max = Number.POSITIVE_INFINITY }: { tags: TagMap; max?: number }) {
  const words = tagWords(tags).map(plain);
  const rest = words.slice(max);
  return (
    <span className={classes.tags}>
      {words.slice(0, max).map((word) => (
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
