import type { Event } from "../../api/types";
import type { AlarmView } from "../../api/monitor";
import { useList } from "../../api/queries";
import type { Mark } from "../../parts/Chart/marks";
import { text } from "./text";
import type { Times } from "./times";

const EVENTS_MAX = 200;

/** Kinds of events that belong below a chart's axis, most particular first. */
const KINDS: [RegExp, Mark["kind"]][] = [
  [/^frame\.(plan|order)\.|^firewall\.(ban|allow)\.|^upgrade\./, "plan"],
  [/^intrusion\.incident\./, "incident"],
  [/^frame\.host\.|^monitor\.host\./, "host"],
];

export function markOf(event: Event): Mark | null {
  const kind = KINDS.find(([pattern]) => pattern.test(event.kind))?.[1];
  const at_s = Date.parse(event.time) / 1000;
  return kind === undefined || Number.isNaN(at_s) ? null : { at_s, kind, label: event.message };
}

/** When an alarm fired and when it was over; the journal has no events of alarms. */
export function marksOfAlarm({ rule, sentence, fired_at, resolved_at }: Pick<AlarmView, "rule" | "sentence" | "fired_at" | "resolved_at">): Mark[] {
  const mark = (at: string | null | undefined, label: string): Mark[] => (at ? [{ at_s: Date.parse(at) / 1000, kind: "alarm", label }] : []);
  return [...mark(fired_at, `${rule}: ${sentence}`), ...mark(resolved_at, text.over(rule))];
}

/** What happened on a host within the range. Charts do without it when it cannot be read. */
export function useMarks(host: string, times: Times): Mark[] {
  // A moving range is asked by the hour, so that it stays one query.
  const from_s = Math.floor(times.from_s / 3_600) * 3_600;
  const to = times.key === null ? { to: new Date(times.to_s * 1000).toISOString() } : {};
  const { rows } = useList("journal/events", { host, from: new Date(from_s * 1000).toISOString(), ...to, limit: EVENTS_MAX });
  const { rows: alarms } = useList("monitor/alarms", { host, state: "all", limit: EVENTS_MAX });
  const all = [...(rows ?? []).map(markOf), ...(alarms ?? []).flatMap(marksOfAlarm)];
  return all.filter((mark) => mark !== null && mark.at_s >= times.from_s && mark.at_s <= times.to_s) as Mark[];
}
