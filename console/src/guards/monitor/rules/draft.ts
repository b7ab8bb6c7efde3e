import type { AlarmRuleSpec, Metric, Operator, Period, Policy, Scope, Statistic } from "../../../api/monitor";
import type { Severity } from "../../../api/types";
import { pairs, words } from "../../../parts/ResourceForm/fields";
import { calledBy } from "../called";
import { text } from "./text";

/** The rule editor's fields as they stand on the screen, and the spec that they mean. Pure. */

export interface PolicyDraft {
  metric: string;
  labels: string;
  statistic: Statistic;
  period: Period;
  operator: Operator;
  threshold: string;
  count: string;
  of: string;
  recover: string;
}

export type ScopeMode = keyof typeof text.scopeModes;

export interface RuleDraft {
  name: string;
  description: string;
  enabled: boolean;
  severity: Severity;
  kind: "metric" | "event";
  policies: PolicyDraft[];
  event: { kind: string; severity: string; clear: string; times: string; within: string };
  scopeMode: ScopeMode;
  scopeValue: string;
  noDataAfter: string;
  noDataTreat: "alarm" | "keep" | "ok";
  repeat: string;
  urgency: "page" | "digest";
  cause: boolean;
  /** What the editor does not show stays as it is. */
  base: AlarmRuleSpec;
}

/** What a unit is written in: its factor and its sign. */
export interface Written {
  factor: number;
  sign: string;
}

/** `name` is what the policy calls the metric: under a name of a cloud service a threshold is in that
 * name's unit, and stays so. */
export function writtenIn(metrics: readonly Metric[], name: string, operator: Operator): Written {
  if (operator === "rise" || operator === "fall") return { factor: 1, sign: "%" };
  const known = calledBy(metrics, name);
  if (known?.alias) return { factor: 1, sign: known.alias.unit };
  const metric = known?.metric;
  switch (metric?.unit) {
    case "ratio":
      return { factor: 100, sign: "%" };
    case "bytes":
      return { factor: 1 / 2 ** 30, sign: "GiB" };
    case "bytes/s":
      return metric.name.startsWith("network_") ? { factor: 8e-6, sign: "Mbit/s" } : { factor: 1 / 2 ** 20, sign: "MiB/s" };
    case "seconds":
      return { factor: 1, sign: "s" };
    case "1/s":
      return { factor: 1, sign: "/s" };
    default:
      return { factor: 1, sign: "" };
  }
}

const DIGITS = 12;
const clean = (value: number) => Number(value.toPrecision(DIGITS));
export const shown = (value: number | undefined | null, { factor }: Written) => (value === undefined || value === null ? "" : String(clean(value * factor)));
const meant = (typed: string, { factor }: Written) => clean(Number(typed.replace(",", ".")) / factor);

const FIRST_THRESHOLD: Record<string, string> = { ratio: "90" };

export function emptyPolicy(metric: Metric | undefined): PolicyDraft {
  return { metric: metric?.name ?? "cpu_usage_ratio", labels: "", statistic: "average", period: "5m", operator: ">", threshold: FIRST_THRESHOLD[metric?.unit ?? "ratio"] ?? "", count: "3", of: "3", recover: metric === undefined || metric.unit === "ratio" ? "80" : "" };
}

export function emptyRule(metric: Metric | undefined, host: string | null): RuleDraft {
  return {
    name: "",
    description: "",
    enabled: true,
    severity: "high",
    kind: "metric",
    policies: [emptyPolicy(metric)],
    event: { kind: "", severity: "", clear: "", times: "1", within: "10m" },
    scopeMode: host ? "hosts" : "all",
    scopeValue: host ?? "",
    noDataAfter: "3m",
    noDataTreat: "keep",
    repeat: "4h",
    urgency: "page",
    cause: true,
    base: {},
  };
}

export function ruleDraft(name: string, spec: AlarmRuleSpec, metrics: readonly Metric[]): RuleDraft {
  const [scopeMode, scopeValue] = scopeDraft(spec.scope);
  const { event, no_data } = spec;
  return {
    name,
    description: spec.description ?? "",
    enabled: spec.enabled !== false,
    severity: spec.severity ?? "high",
    kind: event ? "event" : "metric",
    policies: (spec.policies ?? []).map((policy) => policyDraft(policy, metrics)),
    event: { kind: event?.kind ?? "", severity: event?.severity ?? "", clear: event?.clear ?? "", times: String(event?.times ?? 1), within: event?.within ?? "10m" },
    scopeMode,
    scopeValue,
    noDataAfter: no_data?.after ?? "3m",
    noDataTreat: no_data?.treat ?? "keep",
    repeat: spec.repeat ?? "4h",
    urgency: spec.urgency ?? "page",
    cause: spec.cause !== false,
    base: spec,
  };
}

function policyDraft(policy: Policy, metrics: readonly Metric[]): PolicyDraft {
  const written = writtenIn(metrics, policy.metric, policy.operator);
  const labels = Object.entries(policy.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return { ...policy, labels: labels.join(", "), threshold: shown(policy.threshold, written), recover: shown(policy.recover, written), count: String(policy.count), of: String(policy.of ?? policy.count) };
}

function scopeDraft(scope: Scope | undefined): [ScopeMode, string] {
  const tags = Object.entries(scope?.tags ?? {});
  if (scope?.group) return ["group", scope.group];
  if (scope?.region) return ["region", scope.region];
  if (tags.length > 0) return ["tags", tags.map(([key, value]) => `${key}=${value}`).join(", ")];
  if (scope?.hosts && scope.hosts.length > 0) return ["hosts", scope.hosts.join(", ")];
  return ["all", ""];
}

function scopeOf({ scopeMode, scopeValue }: RuleDraft): Scope {
  const value = scopeValue.trim();
  if (value === "") return {};
  switch (scopeMode) {
    case "all":
      return {};
    case "hosts":
      return { hosts: words(value) };
    case "tags":
      return { tags: pairs(value) };
    case "region":
      return { region: value };
    case "group":
      return { group: value };
  }
}

/** The spec, or what is still wrong with the draft. */
export function specOf(draft: RuleDraft, metrics: readonly Metric[]): { spec: AlarmRuleSpec; problems: string[] } {
  const { policies: _, event: __, template, ...kept } = draft.base;
  const spec: AlarmRuleSpec = {
    ...kept,
    enabled: draft.enabled,
    ...(draft.description.trim() === "" ? { description: undefined } : { description: draft.description.trim() }),
    scope: scopeOf(draft),
    severity: draft.severity,
    no_data: { after: draft.noDataAfter, treat: draft.noDataTreat },
    repeat: draft.repeat,
    urgency: draft.urgency,
    cause: draft.cause,
  };
  const problems = new Set<string>();
  if (draft.scopeMode !== "all" && draft.scopeValue.trim() === "") problems.add(text.problems.scope);
  if (draft.kind === "event") {
    spec.event = eventOf(draft);
    if (draft.event.kind.trim() === "" && !draft.base.event?.finding) problems.add(text.problems.event);
  } else {
    if (template) spec.template = template;
    spec.policies = draft.policies.map((policy, i) => policyOf(policy, draft.base.policies?.[i], metrics));
    if (spec.policies.length === 0 && !template) problems.add(text.problems.metric);
    for (const [i, policy] of spec.policies.entries()) {
      if ((draft.policies[i]?.threshold ?? "").trim() === "" || !Number.isFinite(policy.threshold) || (policy.recover !== undefined && policy.recover !== null && !Number.isFinite(policy.recover))) problems.add(text.problems.threshold);
      if (!Number.isInteger(policy.count) || policy.of === undefined || policy.of === null || !Number.isInteger(policy.of) || policy.count < 1 || policy.count > policy.of) problems.add(text.problems.count);
    }
  }
  return { spec, problems: [...problems] };
}

function policyOf(draft: PolicyDraft, before: Policy | undefined, metrics: readonly Metric[]): Policy {
  const written = writtenIn(metrics, draft.metric, draft.operator);
  const labels = pairs(draft.labels);
  return {
    ...(before?.severity ? { severity: before.severity } : {}),
    metric: draft.metric,
    ...(labels ? { labels } : {}),
    statistic: draft.statistic,
    period: draft.period,
    operator: draft.operator,
    threshold: meant(draft.threshold, written),
    count: Number(draft.count),
    of: Number(draft.of),
    ...(draft.recover.trim() === "" ? {} : { recover: meant(draft.recover, written) }),
  };
}

function eventOf({ event, base }: RuleDraft) {
  return {
    ...(base.event?.finding ? { finding: base.event.finding } : {}),
    ...(event.kind.trim() === "" ? {} : { kind: event.kind.trim() }),
    ...(event.severity === "" ? {} : { severity: event.severity as Severity }),
    ...(event.clear.trim() === "" ? {} : { clear: event.clear.trim() }),
    times: Number(event.times) || 1,
    within: event.within,
  };
}

/** A scope in words. */
export function sayScope(scope: Scope | undefined): string {
  const [mode, value] = scopeDraft(scope);
  return mode === "all" ? text.everyHost : value;
}
