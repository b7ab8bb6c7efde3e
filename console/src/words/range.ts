/** Time ranges of the address: relative ones stay relative (`1h`), chosen ones are `from`/`to` in Unix seconds. */

export const RANGES = { "15m": 900, "1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 } as const;
export type RangeKey = keyof typeof RANGES;
export const RANGE_DEFAULT: RangeKey = "1h";

export interface Range {
  /** Relative range, or null for a chosen one. */
  key: RangeKey | null;
  from_s: number;
  to_s: number;
}

export function rangeOf(search: URLSearchParams, now_s: number): Range {
  const from = Number(search.get("from"));
  const to = Number(search.get("to"));
  if (Number.isFinite(from) && Number.isFinite(to) && from > 0 && to > from) return { key: null, from_s: from, to_s: to };
  const asked = search.get("range");
  const key = asked !== null && Object.hasOwn(RANGES, asked) ? (asked as RangeKey) : RANGE_DEFAULT;
  return { key, from_s: now_s - RANGES[key], to_s: now_s };
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
const POINTS_MAX = 400;

/** The step of a query: the finest that gives at most a few hundred points. */
export function stepOf(range: Range, live: boolean): number {
  const span_s = range.to_s - range.from_s;
  const finest_s = live && span_s <= 900 ? 1 : 60;
  return STEPS_S.find((step) => step >= finest_s && span_s / step <= (finest_s === 1 ? 1_000 : POINTS_MAX)) ?? 86_400;
}
