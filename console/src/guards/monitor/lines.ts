import type { AlarmRuleSpec, Metric, RuleView, Scope } from "../../api/monitor";
import type { HostView } from "../../api/types";
import type { Line } from "../../parts/Chart/marks";
import { calledBy, inCatalogue } from "./called";

type Host = Pick<HostView, "name" | "tags" | "region">;
/** What a ResourceGroup says: hosts by name, and hosts that have all of its tags. */
export interface Group {
  name: string;
  spec: { hosts?: string[]; tags?: Record<string, string> };
}
/** What is known beside the rules. */
export interface Known {
  metrics: readonly Metric[];
  groups: readonly Group[];
}

/** Whether a rule's scope surely holds a host, as far as a window can tell: a group that is not known holds none. */
export function surelyHolds(scope: Scope | undefined, host: Host, groups: readonly Group[] = []): boolean {
  if (scope === undefined) return true;
  if (scope.group && !isMember(groups.find(({ name }) => name === scope.group), host)) return false;
  if (scope.hosts && scope.hosts.length > 0 && !scope.hosts.includes(host.name)) return false;
  if (scope.region && scope.region !== host.region) return false;
  return Object.entries(scope.tags ?? {}).every(([key, value]) => host.tags[key] === value);
}

function isMember(group: Group | undefined, host: Host): boolean {
  const tags = Object.entries(group?.spec.tags ?? {});
  return group?.spec.hosts?.includes(host.name) === true || (tags.length > 0 && tags.every(([key, value]) => host.tags[key] === value));
}

/** The lines of a rule's policies about one metric, under any of its names. Rises and falls have no level to draw. */
export function linesOf(spec: AlarmRuleSpec, metric: string, metrics: readonly Metric[] = []): Line[] {
  return (spec.policies ?? []).flatMap((policy) => {
    const called = calledBy(metrics, policy.metric);
    if ((called?.metric.name ?? policy.metric) !== metric || policy.operator === "rise" || policy.operator === "fall") return [];
    const line = (kind: Line["kind"], value: number | null | undefined): Line[] => {
      const level = value === null || value === undefined ? null : inCatalogue(value, called?.alias ?? null);
      return level === null ? [] : [{ kind, value: level }];
    };
    return [...line("threshold", policy.threshold), ...line("recover", policy.recover)];
  });
}

/** Every line that belongs on a host's chart of a metric, each once. */
export function linesFor(rules: readonly RuleView[], host: Host, metric: string, { metrics, groups }: Known = { metrics: [], groups: [] }): Line[] {
  const all = rules.filter(({ spec }) => spec.enabled !== false && surelyHolds(spec.scope, host, groups)).flatMap(({ spec }) => linesOf(spec, metric, metrics));
  return [...new Map(all.map((line) => [`${line.kind} ${line.value}`, line])).values()];
}
