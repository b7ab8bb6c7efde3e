/** Filters ↔ URL. What stands in the filter bar is text such as `severity:high host:web-1 ssh`;
 * known keys become parameters of their own, everything else is the free text `q`. */

export type Filters = Record<string, string>;

/** Reads the text of the filter bar. Keys that are not known stay free text. */
export function parseFilter(text: string, keys: readonly string[]): Filters {
  const found: Filters = {};
  const free: string[] = [];
  for (const match of text.matchAll(/([a-z]+):(?:"([^"]*)"|(\S+))|\S+/g)) {
    const [whole, key, quoted, bare] = match;
    const value = quoted ?? bare;
    if (key !== undefined && keys.includes(key) && value !== undefined && value !== "") found[key] = value;
    else free.push(whole);
  }
  if (free.length > 0) found.q = free.join(" ");
  return found;
}

/** The filters that stand in an address. */
export function filtersOf(search: URLSearchParams, keys: readonly string[]): Filters {
  const found: Filters = {};
  for (const key of [...keys, "q"]) {
    const value = search.get(key);
    if (value !== null && value !== "") found[key] = value;
  }
  return found;
}

/** Filters as the text of the filter bar; `parseFilter` reads it back. */
export function printFilter(filters: Filters): string {
  const { q, ...rest } = filters;
  const tokens = Object.entries(rest).map(([key, value]) => (/\s/.test(value) ? `${key}:"${value}"` : `${key}:${value}`));
  return [...tokens, q ?? ""].filter((token) => token !== "").join(" ");
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
