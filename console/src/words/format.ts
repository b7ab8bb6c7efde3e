/** Numbers, sizes and times as the console prints them: unit after a thin space, binary bytes,
 * decimal bit rates. Pure: the present is an argument. */

const THIN = "\u2009";
const NONE = "–";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function formatInteger(n: number | null | undefined): string {
  return n === null || n === undefined ? NONE : grouped.format(n);
}

export function formatPercent(ratio: number | null | undefined, digits = 0): string {
  return ratio === null || ratio === undefined ? NONE : `${(ratio * 100).toFixed(digits)}${THIN}%`;
}

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return NONE;
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1024 && unit < BYTES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${bytes < 0 ? "−" : ""}${short(value)}${THIN}${BYTES[unit]}`;
}

const BITS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

/** A rate in bytes per second, printed in bits per second. */
export function formatBitRate(bytes_per_s: number | null | undefined): string {
  if (bytes_per_s === null || bytes_per_s === undefined) return NONE;
  let value = Math.abs(bytes_per_s) * 8;
  let unit = 0;
  while (value >= 1000 && unit < BITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${short(value)}${THIN}${BITS[unit]}`;
}

/** At most three digits that matter: 1.25, 12.5, 125. */
export function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return trimZeros(value.toFixed(digits));
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A length of time in its two largest units: "12 min", "3 h 5 min", "41 d 6 h". */
export function formatSpan(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NONE;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}${THIN}s`;
  if (s < 3_600) return `${Math.floor(s / 60)}${THIN}min`;
  if (s < 86_400) return two(Math.floor(s / 3_600), "h", Math.floor((s % 3_600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3_600), "h");
}

function two(a: number, unitA: string, b: number, unitB: string): string {
  return b === 0 ? `${a}${THIN}${unitA}` : `${a}${THIN}${unitA} ${b}${THIN}${unitB}`;
}

/** A countdown: 00:47, 1:02:03. */
export function formatCountdown(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const pad = (n: number) => String(n).padStart(2, "0");
  const minutes = `${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  return s >= 3_600 ? `${Math.floor(s / 3_600)}:${minutes}` : minutes;
}

const DATE_AFTER_S = 7 * 86_400;
const dateOnly = new Intl.DateTimeFormat("en", { year: "numeric", month: "short", day: "numeric" });

/** "12 min ago", "in 3 h", "now"; a date beyond seven days. */
export function formatAgo(time: string | number | null | undefined, now_ms: number): string {
  if (time === null || time === undefined) return NONE;
  const at = typeof time === "number" ? time : Date.parse(time);
  if (Number.isNaN(at)) return NONE;
  const seconds = (now_ms - at) / 1000;
  if (Math.abs(seconds) >= DATE_AFTER_S) return dateOnly.format(at);
  if (Math.abs(seconds) < 3) return "now";
  const size = coarse(Math.abs(seconds));
  return seconds >= 0 ? `${size} ago` : `in ${size}`;
}

function coarse(s: number): string {
  if (s < 60) return `${Math.round(s)}${THIN}s`;
  if (s < 3_600) return `${Math.round(s / 60)}${THIN}min`;
  if (s < 86_400) return `${Math.round(s / 3_600)}${THIN}h`;
  return `${Math.round(s / 86_400)}${THIN}d`;
}

const absolute = new Intl.DateTimeFormat("en", {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clockShort = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function formatAbsolute(time: string | number): string {
  const at = typeof time === "number" ? time : Date.parse(time);
  return Number.isNaN(at) ? NONE : absolute.format(at);
}

export function formatClock(time_ms: number): string {
  return clock.format(time_ms);
}

/** 14:02 today, else with the date. */
export function formatMoment(time: string, now_ms: number): string {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return NONE;
  const sameDay = new Date(at).toDateString() === new Date(now_ms).toDateString();
  return sameDay ? clockShort.format(at) : `${dateOnly.format(at)}, ${clockShort.format(at)}`;
}

/** The name of the zone that times are printed in. */
export function zoneName(): string {
  return new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(0).find((part) => part.type === "timeZoneName")?.value ?? "UTC";
}

/** Bytes per second that are printed in bits per second, as the rates of networks are. */
export const BIT_RATE = "bit/s";

/** Units that only stand behind their number: those of the catalogue, and what services call theirs. */
export const SIGNS: Record<string, string> = Object.fromEntries([
  ["days", "d"], ["celsius", "°C"], ["watts", "W"], ...["%", "byte/s", "byte", "GB", "MB", "ms", "MHz", "°C", "W", "request/s", "count/s"].map((sign) => [sign, sign]),
].map(([unit, sign]) => [unit, `${THIN}${sign}`]));

const HERTZ = ["Hz", "kHz", "MHz", "GHz"];

export function formatHertz(value: number): string {
  const size = value === 0 ? 0 : Math.min(HERTZ.length - 1, Math.max(0, Math.floor(Math.log10(Math.abs(value)) / 3)));
  return `${short(value / 1000 ** size)}${THIN}${HERTZ[size]}`;
}

/** A value in the unit that the metric catalogue gives. */
export function formatUnit(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return NONE;
  switch (unit) {
    case "ratio":
      return `${short(value * 100)}${THIN}%`;
    case "bytes":
      return formatBytes(value);
    case "bytes/s":
      return `${formatBytes(value)}/s`;
    case BIT_RATE:
      return formatBitRate(value);
    case "1/s":
      return `${value >= 10_000 ? grouped.format(value) : short(value)}${THIN}/s`;
    case "seconds":
      return value !== 0 && Math.abs(value) < 1 ? `${short(value * 1000)}${THIN}ms` : formatSpan(value);
    case "hertz":
      return formatHertz(value);
    default:
      return `${value >= 10_000 ? grouped.format(value) : short(value)}${SIGNS[unit] ?? ""}`;
  }
}
