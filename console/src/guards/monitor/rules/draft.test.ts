import { expect, test } from "vitest";
import type { AlarmRuleSpec, Metric } from "../../../api/monitor";
import { emptyRule, ruleDraft, sayScope, specOf, writtenIn } from "./draft";
import { text } from "./text";

const cpu: Metric = { name: "cpu_usage_ratio", unit: "ratio", help: "", group: "cpu", aliases: [{ name: "cpu_util", unit: "%" }] };
const network: Metric = { name: "network_receive_bytes_rate", unit: "bytes/s", help: "", group: "network", aliases: [] };
const metrics = [cpu, network];
const spec: AlarmRuleSpec = {
  enabled: true,
  description: "too busy",
  scope: { tags: { role: "web" } },
  severity: "critical",
  policies: [{ metric: "cpu_usage_ratio", statistic: "average", period: "5m", operator: ">", threshold: 0.9, count: 2, of: 3, recover: 0.8, severity: "medium", labels: { mode: "=~sys.*" } }],
  no_data: { after: "5m", treat: "keep" },
  repeat: "once",
  urgency: "digest",
  settle: "30s",
  cause: false,
};

test("a rule goes into the editor and comes out the same, with what the editor does not show", () => {
  expect(specOf(ruleDraft("cpu", spec, metrics), metrics)).toEqual({ spec, problems: [] });
});

test("people write percent and bits, the rule has shares and bytes", () => {
  const draft = ruleDraft("cpu", spec, metrics);
  expect(draft.policies[0]).toMatchObject({ threshold: "90", recover: "80" });
  draft.policies[0] = { ...draft.policies[0]!, metric: "network_receive_bytes_rate", threshold: "100", recover: "80" };
  expect(specOf(draft, metrics).spec.policies?.[0]).toMatchObject({ threshold: 12_500_000, recover: 10_000_000 });
  expect(writtenIn(metrics, "cpu_usage_ratio", "rise")).toEqual({ factor: 1, sign: "%" });
  expect(writtenIn(metrics, "cpu_util", ">")).toEqual({ factor: 1, sign: "%" });
});

test.each([
  [{ threshold: "" }, text.problems.threshold],
  [{ threshold: "lots" }, text.problems.threshold],
  [{ count: "4", of: "3" }, text.problems.count],
  [{ count: "0" }, text.problems.count],
])("what is wrong with %j is said", (change, problem) => {
  const draft = emptyRule(cpu, null);
  draft.policies[0] = { ...draft.policies[0]!, ...change };
  expect(specOf(draft, metrics).problems).toEqual([problem]);
});

test("a rule for named hosts that names none would be for all, so it is refused", () => {
  expect(specOf({ ...emptyRule(cpu, null), scopeMode: "tags" }, metrics).problems).toEqual([text.problems.scope]);
});

test("a rule about events has no policies", () => {
  const draft = { ...ruleDraft("cpu", spec, metrics), kind: "event" as const, event: { kind: "frame.host.silent", severity: "", clear: "frame.host.back", times: "1", within: "10m" } };
  const { spec: made } = specOf(draft, metrics);
  expect(made.policies).toBeUndefined();
  expect(made.event).toEqual({ kind: "frame.host.silent", clear: "frame.host.back", times: 1, within: "10m" });
});

test("a scope is said in words", () => {
  expect([undefined, { hosts: ["a", "b"] }, { tags: { role: "web" } }, { group: "shop" }].map(sayScope)).toEqual(["every host", "a, b", "role=web", "shop"]);
});
