import type { AlarmRuleSpec, RuleView, Scope } from "../../api/monitor";
import type { HostView } from "../../api/types";
import type { Line } from "../../parts/Chart/marks";

/** Whether a rule's scope surely holds a host, as far as a window can tell: who is in a group only the
 * server knows, so such a rule draws no line. */
export function surelyHolds(scope: Scope | undefined, host: Pick<HostView, "name" | "tags" | "region">): boolean {
  if (scope === undefined) return true;
  if (scope.group) return false;
  if (scope.hosts && scope.hosts.length > 0 && !scope.hosts.includes(host.name)) return false;
  if (scope.region && scope.region !== host.region) return false;
  return Object.entries(scope.tags ?? {}).every(([key, value]) => host.tags[key] === value);
}

/** The lines of a rule's policies about one metric. Rises and falls have no level to draw. */
export function linesOf(spec: AlarmRuleSpec, metric: string): Line[] {
  return (spec.policies ?? [])
    .filter((policy) => policy.metric === metric && policy.operator !== "rise" && policy.operator !== "fall")
    .flatMap(({ threshold, recover }): Line[] => [{ kind: "threshold", value: threshold }, ...(recover === undefined ? [] : [{ kind: "recover" as const, value: recover }])]);
}

/** Every line that belongs on a host's chart of a metric, each once. */
export function linesFor(rules: readonly RuleView[], host: Pick<HostView, "name" | "tags" | "region">, metric: string): Line[] {
  const all = rules.filter(({ spec }) => spec.enabled !== false && surelyHolds(spec.scope, host)).flatMap(({ spec }) => linesOf(spec, metric));
  return [...new Map(all.map((line) => [`${line.kind} ${line.value}`, line])).values()];
}
