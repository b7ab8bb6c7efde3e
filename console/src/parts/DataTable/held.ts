/** Keeps the order of a list still while somebody points at it: known rows stay where they are with
 * their newest content, rows that have gone stay as they were, new ones are counted. */
export interface Held<T> {
  shown: T[];
  /** How many rows are not shown yet. */
  fresh: number;
}

export function holdRows<T>(before: readonly T[], now: readonly T[], idOf: (row: T) => string): Held<T> {
  const newest = new Map(now.map((row) => [idOf(row), row]));
  const known = new Set(before.map(idOf));
  return {
    shown: before.map((row) => newest.get(idOf(row)) ?? row),
    fresh: now.filter((row) => !known.has(idOf(row))).length,
  };
}
