import { expect, test } from "vitest";
import type { Event } from "../../api/types";
import { markOf, marksOfAlarm } from "./marks";

const event = (kind: string) => ({ kind, time: "2026-01-01T00:01:00Z", message: "m" }) as Event;

test.each([
  ["frame.plan.confirm", "plan"],
  ["firewall.ban.add", "plan"],
  ["frame.host.silent", "host"],
  ["monitor.host.unreachable", "host"],
  ["frame.order.create", "plan"],
  ["intrusion.login.fail", undefined],
  ["intrusion.incident.open", "incident"],
  ["frame.session.create", undefined],
])("the event %s is a mark of kind %s", (kind, expected) => expect(markOf(event(kind))?.kind).toBe(expected));

test("a mark stands at the second of its event, and one without a time stands nowhere", () => {
  expect(markOf(event("frame.host.back"))?.at_s).toBe(Date.parse("2026-01-01T00:01:00Z") / 1000);
  expect(markOf({ ...event("frame.host.back"), time: "never" })).toBeNull();
});

test("an alarm is a mark where it fired and where it was over, and none while it is pending", () => {
  const alarm = { rule: "cpu", sentence: "busy", fired_at: "2026-01-01T00:01:00Z", resolved_at: "2026-01-01T00:02:00Z" };
  expect(marksOfAlarm(alarm).map(({ at_s }) => at_s - Date.parse(alarm.fired_at) / 1000)).toEqual([0, 60]);
  expect(marksOfAlarm({ ...alarm, fired_at: null, resolved_at: null })).toEqual([]);
});
