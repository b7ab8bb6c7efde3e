import type { Action, PortException, PortPolicySpec, Protocol, Selector } from "../../../api/firewall";
import { localMoment, words } from "../../../parts/ResourceForm/fields";
import { type SelectorForm, selectorForm, selectorOf } from "../groups/selector";

/** A port policy as it is typed, and back. */

export interface ExceptionForm {
  hosts: SelectorForm | null;
  protocol: Protocol;
  ports: string;
  peers: string;
  reason: string;
  ends_at: string;
  /** As saved, so that a moment that nobody touched keeps its seconds. */
  was: string | null;
}

export interface PolicyForm {
  hosts: Selector;
  high_risk: Action;
  databases: Action;
  private: string;
  web_ports: string;
  default_out: Action;
  exceptions: ExceptionForm[];
}

export function policyForm(spec: PortPolicySpec): PolicyForm {
  return {
    hosts: spec.hosts ?? {},
    high_risk: spec.high_risk ?? "deny",
    databases: spec.databases ?? "deny",
    private: (spec.private ?? []).join(", "),
    web_ports: (spec.web_ports ?? [80, 443]).join(", "),
    default_out: spec.default_out ?? "allow",
    exceptions: (spec.exceptions ?? []).map((one) => ({
      hosts: one.hosts ? selectorForm(one.hosts) : null,
      protocol: one.protocol,
      ports: one.ports.join(", "),
      peers: one.peers.join(", "),
      reason: one.reason,
      ends_at: localMoment(one.ends_at),
      was: one.ends_at,
    })),
  };
}

export function policyOf(form: PolicyForm): PortPolicySpec {
  const own = words(form.private);
  return {
    hosts: form.hosts,
    high_risk: form.high_risk,
    databases: form.databases,
    ...(own.length > 0 ? { private: own } : {}),
    web_ports: words(form.web_ports),
    default_out: form.default_out,
    ...(form.exceptions.length > 0 ? { exceptions: form.exceptions.map(exceptionOf) } : {}),
  };
}

function exceptionOf(form: ExceptionForm): PortException {
  const kept = form.was !== null && localMoment(form.was) === form.ends_at ? form.was : null;
  return {
    ...(form.hosts ? { hosts: selectorOf(form.hosts) } : {}),
    protocol: form.protocol,
    ports: words(form.ports),
    peers: words(form.peers),
    reason: form.reason.trim(),
    ends_at: kept ?? new Date(form.ends_at).toISOString(),
  };
}

/** What an exception still lacks, by field. */
export function lacksOf(form: ExceptionForm): ("ports" | "peers" | "reason" | "ends_at")[] {
  const empty = { ports: words(form.ports).length === 0, peers: words(form.peers).length === 0, reason: form.reason.trim() === "", ends_at: Number.isNaN(Date.parse(form.ends_at)) };
  return (Object.keys(empty) as (keyof typeof empty)[]).filter((key) => empty[key]);
}

/** A new exception ends by itself, soon. */
export function newException(now_ms: number): ExceptionForm {
  return { hosts: null, protocol: "tcp", ports: "", peers: "", reason: "", ends_at: localMoment(now_ms + EXCEPTION_MS), was: null };
}

const EXCEPTION_MS = 30 * 86_400_000;
