/** Filters ↔ URL. What stands in the filter bar is text such as `severity:high host:web-1 ssh`;
 * known keys become parameters of their own, everything else is the free text `q`. */

/** One value a key; the keys of `REPEATED` have a list, and a row must have all of it. */
export type Filters = Record<string, string | string[]>;

/** Keys that may stand several times: `tag:role=web tag:env=live`. */
const REPEATED: readonly string[] = ["tag"];

/** Reads the text of the filter bar. Keys that are not known stay free text. */
export function parseFilter(text: string, keys: readonly string[]): Filters {
  const found: Filters = {};
  const free: string[] = [];
  for (const match of text.matchAll(/([a-z]+):(?:"([^"]*)"|(\S+))|\S+/g)) {
    const [whole, key, quoted, bare] = match;
    const value = quoted ?? bare;
    if (key !== undefined && keys.includes(key) && value !== undefined && value !== "") found[key] = REPEATED.includes(key) ? withValue(found, key, value) : value;
    else free.push(whole);
  }
  if (free.length > 0) found.q = free.join(" ");
  return found;
}

/** The filters that stand in an address. */
export function filtersOf(search: URLSearchParams, keys: readonly string[]): Filters {
  const found: Filters = {};
  for (const key of [...keys, "q"]) {
    const given = [...new Set(search.getAll(key))].filter((value) => value !== "");
    if (given.length > 0) found[key] = REPEATED.includes(key) ? given : (given[0] as string);
  }
  return found;
}

/** Filters as the text of the filter bar; `parseFilter` reads it back. */
export function printFilter(filters: Filters): string {
  const { q, ...rest } = filters;
  const tokens = pairsOf(rest).map(([key, value]) => (/\s/.test(value) ? `${key}:"${value}"` : `${key}:${value}`));
  return [...tokens, ...valuesOf(q)].join(" ");
}

/** Every key with each of its values. */
export function pairsOf(filters: Filters): [key: string, value: string][] {
  return Object.entries(filters).flatMap(([key, value]) => valuesOf(value).map((one): [string, string] => [key, one]));
}

/** The values of one key with another one, each once. */
export function withValue(filters: Filters, key: string, value: string): string[] {
  return [...new Set([...valuesOf(filters[key]), value])];
}

/** The filters without one value; the key goes with its last. */
export function withoutValue(filters: Filters, key: string, value: string): Filters {
  const rest = valuesOf(filters[key]).filter((other) => other !== value);
  const others = Object.fromEntries(Object.entries(filters).filter(([other]) => other !== key));
  return rest.length === 0 ? others : { ...others, [key]: rest };
}

function valuesOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

export interface Sort {
  key: string;
  descending: boolean;
}

/** `-since` is descending. */
export function parseSort(text: string | null): Sort | null {
  if (text === null || text === "" || text === "-") return null;
  return text.startsWith("-") ? { key: text.slice(1), descending: true } : { key: text, descending: false };
}

/** What a click on a column's title makes of the sort: ascending, descending, the server's own. */
export function nextSort(now: Sort | null, key: string): string | null {
  if (now?.key !== key) return key;
  return now.descending ? null : `-${key}`;
}
