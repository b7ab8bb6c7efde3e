import { BIT_RATE, formatBitRate, formatBytes, formatHertz, short, SIGNS } from "../../words/format";

/** Tick labels of a y axis: unit after the number, precision raised until every label says its value. */
export function tickLabels(values: number[], unit: string): string[] {
  for (let digits = 0; digits <= 4; digits += 1) {
    const labels = values.map((value) => label(value, unit, digits));
    const exact = values.every((value) => isExact(unit === "ratio" ? value * 100 : value, digits));
    if (exact && new Set(labels).size === labels.length) return labels;
  }
  return values.map((value) => label(value, unit, 4));
}

function isExact(value: number, digits: number): boolean {
  return value >= 10_000 || Math.abs(Number(value.toFixed(digits)) - value) < 1e-9 * Math.max(1, Math.abs(value));
}

function label(value: number, unit: string, digits: number): string {
  switch (unit) {
    case "ratio":
      return `${(value * 100).toFixed(digits)}\u2009%`;
    case "bytes":
      return formatBytes(value);
    case "bytes/s":
      return `${formatBytes(value)}/s`;
    case BIT_RATE:
      return formatBitRate(value);
    case "seconds":
      return value >= 172_800 ? `${short(value / 86_400)}\u2009d` : `${short(value)}\u2009s`;
    case "hertz":
      return formatHertz(value);
    case "days":
    case "celsius":
    case "watts":
      return `${value.toFixed(digits)}${SIGNS[unit]}`;
    default:
      return value >= 10_000 ? new Intl.NumberFormat("en", { notation: "compact" }).format(value) : value.toFixed(digits);
  }
}

export interface Summary {
  last: number | null;
  min: number | null;
  max: number | null;
  avg: number | null;
}

export function summarise(values: readonly (number | null)[]): Summary {
  const seen = values.filter((value): value is number => value !== null);
  if (seen.length === 0) return { last: null, min: null, max: null, avg: null };
  return {
    last: values.at(-1) ?? null,
    min: seen.reduce((a, b) => Math.min(a, b)),
    max: seen.reduce((a, b) => Math.max(a, b)),
    avg: seen.reduce((a, b) => a + b, 0) / seen.length,
  };
}

/** Series of different times on one time axis; a time that a series lacks is a gap (null). */
export function align(series: readonly (readonly (readonly [number, number | null])[])[]): { times: number[]; values: (number | null)[][] } {
  const times = [...new Set(series.flatMap((points) => points.map(([time]) => time)))].sort((a, b) => a - b);
  const place = new Map(times.map((time, i) => [time, i]));
  const values = series.map((points) => {
    const row = new Array<number | null>(times.length).fill(null);
    for (const [time, value] of points) row[place.get(time) as number] = value;
    return row;
  });
  return { times, values };
}

/** What a plot is made of: one row of averages for each series, and where there is one, its band. */
export interface Columns {
  times: number[];
  values: (number | null)[][];
  bands: ({ min: (number | null)[]; max: (number | null)[] } | null)[];
}

interface Banded {
  points: readonly (readonly [number, number | null])[];
  min?: readonly (number | null)[] | null;
  max?: readonly (number | null)[] | null;
}

export function columnsOf(series: readonly Banded[]): Columns {
  const edges = series.flatMap(({ points, min, max }) => (min && max ? [points.map(([at], i) => [at, min[i] ?? null] as const), points.map(([at], i) => [at, max[i] ?? null] as const)] : []));
  const { times, values } = align([...series.map((s) => s.points), ...edges]);
  let next = series.length;
  const bands = series.map(({ min, max }) => (min && max ? { min: values[next++] ?? [], max: values[next++] ?? [] } : null));
  return { times, values: values.slice(0, series.length), bands };
}

/** The extremes behind the averages are the true ones. */
export function summariseBand(band: Columns["bands"][number] | undefined): Partial<Summary> {
  if (!band) return {};
  return { min: summarise(band.min).min, max: summarise(band.max).max };
}

/** The series in the order of their largest value. */
export function largestFirst<T extends Banded>(series: readonly T[]): T[] {
  const size = (s: T) => summarise(s.points.map(([, value]) => value)).max ?? Number.NEGATIVE_INFINITY;
  return series.map((s) => [size(s), s] as const).sort((a, b) => b[0] - a[0]).map(([, s]) => s);
}

/** Spans in which no series has a value: from the last value before to the first after. */
export function gaps(times: readonly number[], values: readonly (readonly (number | null)[])[], from_s: number, to_s: number, step_s: number): [number, number][] {
  const out: [number, number][] = [];
  let last = from_s;
  times.forEach((time, i) => {
    if (values.every((row) => row[i] === null || row[i] === undefined)) return;
    if (time - last > step_s * 2.5) out.push([last, time]);
    last = time;
  });
  if (to_s - last > step_s * 4) out.push([last, to_s]);
  return out;
}
