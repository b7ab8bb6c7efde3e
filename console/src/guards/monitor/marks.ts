import type { Event } from "../../api/types";
import { useList } from "../../api/queries";
import type { Mark } from "../../parts/Chart/marks";
import type { Times } from "./times";

const EVENTS_MAX = 200;

/** Kinds of events that belong below a chart's axis, most particular first. */
const KINDS: [RegExp, Mark["kind"]][] = [
  [/^frame\.plan\.|^firewall\.ban\./, "plan"],
  [/^monitor\.alarm\./, "alarm"],
  [/^intrusion\./, "incident"],
  [/^frame\.host\.|\.(boot|reboot|reachable|unreachable)$/, "host"],
];

export function markOf(event: Event): Mark | null {
  const kind = KINDS.find(([pattern]) => pattern.test(event.kind))?.[1];
  const at_s = Date.parse(event.time) / 1000;
  return kind === undefined || Number.isNaN(at_s) ? null : { at_s, kind, label: event.message };
}

/** What happened on a host within the range. Charts do without it when it cannot be read. */
export function useMarks(host: string, times: Times): Mark[] {
  // A moving range is asked by the hour, so that it stays one query.
  const from_s = Math.floor(times.from_s / 3_600) * 3_600;
  const to = times.key === null ? { to: new Date(times.to_s * 1000).toISOString() } : {};
  const { rows } = useList("journal/events", { host, from: new Date(from_s * 1000).toISOString(), ...to, limit: EVENTS_MAX });
  return (rows ?? []).map(markOf).filter((mark) => mark !== null && mark.at_s >= times.from_s && mark.at_s <= times.to_s) as Mark[];
}
