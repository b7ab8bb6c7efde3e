import { expect, test } from "vitest";
import type { AlarmView, Policy } from "../../../api/monitor";
import { sayPolicy, sayValue, toldOf } from "./say";

const policy: Policy = { metric: "cpu_usage_ratio", statistic: "average", period: "5m", operator: ">", threshold: 0.9, count: 3, of: 3, recover: 0.8 };
const alarm = { id: "a", rule: "cpu", severity: "high", state: "firing", sentence: "", since: "", unit: "ratio", value: 0.94, threshold: 0.9, operator: ">" } as AlarmView;

test.each([
  [policy, "CPU: average of 5\u2009min > 90\u2009%, 3 times in a row; well again at 80\u2009%"],
  [{ ...policy, count: 2, of: 5, recover: undefined }, "CPU: average of 5\u2009min > 90\u2009%, 2 of the last 5 times"],
  [{ ...policy, count: 1, of: 1, period: "raw" as const, recover: undefined, labels: { mount: "=~/srv.*" } }, "CPU (mount=~/srv.*): each sample > 90\u2009%"],
  [{ ...policy, operator: "rise" as const, threshold: 50, count: 1, of: 1, recover: undefined }, "CPU: average of 5\u2009min rises by 50\u2009%"],
])("a policy is a sentence", (given, expected) => expect(sayPolicy(given, "CPU", "ratio").replaceAll("5 min", "5\u2009min")).toBe(expected));

test("a value stands against its threshold, and nothing is made up without one", () => {
  expect(sayValue(alarm)).toBe("94\u2009% > 90\u2009%");
  expect(sayValue({ ...alarm, value: null })).toBe("–");
  expect(sayValue({ ...alarm, threshold: null })).toBe("94\u2009%");
});

test("a channel counts by its newest attempt", () => {
  const at = (minute: number) => `2026-01-01T00:0${minute}:00Z`;
  expect(
    toldOf([
      { channel: "mail", at: at(1), ok: false },
      { channel: "mail", at: at(2), ok: true },
      { channel: "hook", at: at(2), ok: true },
      { channel: "hook", at: at(3), ok: false },
    ]),
  ).toEqual({ ok: ["mail"], failed: ["hook"] });
});
