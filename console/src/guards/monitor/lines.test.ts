import { expect, test } from "vitest";
import type { Metric, Policy, RuleView } from "../../api/monitor";
import { linesFor, surelyHolds } from "./lines";

const host = { name: "web-1", region: "fra-1", tags: { role: "web" } };
const policy: Policy = { metric: "cpu_usage_ratio", statistic: "average", period: "5m", operator: ">", threshold: 0.9, recover: 0.8, count: 3, of: 3 };
const rule = (spec: RuleView["spec"]): RuleView => ({ name: "r", version: 1, spec, source: "resource", ok: 0, pending: 0, firing: 0, no_data: 0 });

test.each([
  [undefined, true],
  [{}, true],
  [{ hosts: ["web-1"] }, true],
  [{ hosts: ["db-1"] }, false],
  [{ tags: { role: "web" } }, true],
  [{ tags: { role: "db" } }, false],
  [{ region: "ams-2" }, false],
  [{ group: "all" }, false],
])("scope %j holds web-1: %s", (scope, expected) => expect(surelyHolds(scope, host)).toBe(expected));

test("rules of the host give their lines once, others none", () => {
  const rules = [
    rule({ policies: [policy] }),
    rule({ policies: [policy, { ...policy, metric: "load1" }] }),
    rule({ policies: [{ ...policy, threshold: 0.5 }], enabled: false }),
    rule({ policies: [{ ...policy, threshold: 0.6 }], scope: { hosts: ["db-1"] } }),
    rule({ policies: [{ ...policy, operator: "rise", threshold: 50 }] }),
  ];
  expect(linesFor(rules, host, "cpu_usage_ratio")).toEqual([
    { kind: "threshold", value: 0.9 },
    { kind: "recover", value: 0.8 },
  ]);
});

test("a rule under a service's name, for a group that the host is in, draws its line in the catalogue's unit", () => {
  const metrics: Metric[] = [{ name: "cpu_usage_ratio", unit: "ratio", help: "", group: "cpu", aliases: [{ name: "cpu_util", unit: "%" }] }];
  const rules = [rule({ policies: [{ ...policy, metric: "cpu_util", threshold: 75, recover: null }], scope: { group: "web" } })];
  const groups = [{ name: "web", spec: { tags: { role: "web" } } }];
  expect(linesFor(rules, host, "cpu_usage_ratio", { metrics, groups })).toEqual([{ kind: "threshold", value: 0.75 }]);
  expect(linesFor(rules, { ...host, tags: {} }, "cpu_usage_ratio", { metrics, groups })).toEqual([]);
});
