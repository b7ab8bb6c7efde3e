import { type Filters, pairsOf } from "../../words/filters";
import { RANGES, type RangeKey } from "../../words/range";

/** The moment from which a relative range such as `24h` looks, for the API; nothing for anything else. */
export function fromOf(since: string | string[] | undefined, now_ms: number): string | undefined {
  if (typeof since !== "string" || !Object.hasOwn(RANGES, since)) return undefined;
  return new Date(now_ms - RANGES[since as RangeKey] * 1_000).toISOString();
}

/** The same list on the command line. What is no plain word is quoted for a shell. */
export function commandOf(filters: Filters): string {
  const options = pairsOf(filters).map(([key, value]) => `--${key} ${quote(value)}`);
  return ["palisade audit list", ...options, "--output json"].join(" ");
}

function quote(value: string): string {
  return /^[\w.@:/-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
