import { useSearchParams } from "react-router";
import { serverNow, useNow } from "../../words/now";
import { type Range, rangeOf, stepOf } from "../../words/range";

/** The time of a page of charts: all of them share it, and it lives in the address. */
export interface Times extends Range {
  step_s: number;
  /** A relative range moves on and is read again this often; a chosen one stands still. */
  every_ms: number | undefined;
  /** What a query's key has instead of ends that move. */
  key_text: string;
  live: boolean;
  /** The moment that is looked at, in Unix seconds. */
  at_s: number | null;
  setRange: (from_s: number, to_s: number) => void;
  setAt: (at_s: number | null) => void;
  /** Moves by a share of the range: −0.5 is half a screen back. */
  pan: (share: number) => void;
  widen: () => void;
}

const LIVE_MS = 2_000;
const MINUTE_MS = 30_000;

export function useTimes(canLive: boolean): Times {
  const [search, setSearch] = useSearchParams();
  const live = canLive && search.get("range") === "15m" && !search.has("from");
  const every_ms = live ? LIVE_MS : MINUTE_MS;
  useNow(every_ms);
  const now_s = Math.floor(serverNow() / every_ms) * (every_ms / 1000);
  const range = rangeOf(search, now_s);
  const change = (changes: Record<string, string | null>) => {
    const next = new URLSearchParams(search);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) next.delete(key);
      else next.set(key, value);
    }
    setSearch(next, { preventScrollReset: true });
  };
  const setRange = (from_s: number, to_s: number) => {
    const [from, to] = clipped(from_s, to_s, now_s);
    change({ range: null, from: String(from), to: String(to) });
  };
  const span_s = range.to_s - range.from_s;
  const at = Number(search.get("at"));
  return {
    ...range,
    step_s: stepOf(range, live),
    every_ms: range.key === null ? undefined : every_ms,
    key_text: range.key ?? `${range.from_s}-${range.to_s}`,
    live,
    at_s: Number.isFinite(at) && at > 0 ? at : null,
    setRange,
    setAt: (at_s) => change({ at: at_s === null ? null : String(Math.round(at_s)) }),
    pan: (share) => setRange(range.from_s + span_s * share, range.to_s + span_s * share),
    widen: () => setRange(range.from_s - span_s / 2, range.to_s + span_s / 2),
  };
}

const SPAN_MIN_S = 15;

/** Whole seconds, not beyond the present, not narrower than there are samples. */
export function clipped(from_s: number, to_s: number, now_s: number): [number, number] {
  const span_s = Math.max(SPAN_MIN_S, Math.round(to_s - from_s));
  const end_s = Math.min(Math.round(to_s), now_s);
  return [end_s - span_s, end_s];
}
