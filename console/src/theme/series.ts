/** Colours of chart series: twelve slots, chosen by a hash of the name, so that a host has the same
 * colour on every chart, page and day; clashes within one chart get a dash pattern. */

export const SLOT_COUNT = 12;
/** Canvas dash patterns, in px; the first is a solid line. */
export const DASHES: number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export interface SeriesLook {
  /** 1 to 12: `--series-N`. */
  slot: number;
  /** Index into `DASHES`. */
  dash: number;
}

/** The slot of a name: FNV-1a over its UTF-8 bytes, finished with a mix so that near names spread. */
export function slotOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  hash = (hash ^ (hash >>> 12)) >>> 0;
  return (hash % SLOT_COUNT) + 1;
}

/** The looks of the series of one chart, in order: same slot, next dash. */
export function looksOf(names: string[]): SeriesLook[] {
  const used = new Map<number, number>();
  return names.map((name) => {
    const slot = slotOf(name);
    const count = used.get(slot) ?? 0;
    used.set(slot, count + 1);
    return { slot, dash: count % DASHES.length };
  });
}
