import { type Action, type Direction, type GroupRule, PROTOCOLS, type Protocol } from "../../../api/firewall";
import { localMoment, words } from "../../../parts/ResourceForm/fields";
import { isOn, PRIORITY, PRIORITY_MAX, PRIORITY_MIN, priorityOf } from "./draft";

/** A rule as it is typed, and back. What is only wrong in the server's eyes is left to the server. */

export interface RuleForm {
  priority: string;
  action: Action;
  protocol: Protocol;
  ports: string;
  types: string;
  peers: string;
  enabled: boolean;
  log: boolean;
  ends_at: string;
  comment: string;
}

export type Field = keyof RuleForm;
export type Problems = Partial<Record<Field, "priority" | "ports" | "types" | "peers">>;

const PORT_MAX = 65_535;

export const hasPorts = (protocol: Protocol): boolean => protocol === "tcp" || protocol === "udp";
export const hasTypes = (protocol: Protocol): boolean => protocol === "icmp" || protocol === "icmpv6";

export const EMPTY_FORM: RuleForm = { priority: String(PRIORITY), action: "allow", protocol: "tcp", ports: "", types: "", peers: "", enabled: true, log: false, ends_at: "", comment: "" };

export function formOf(rule: GroupRule): RuleForm {
  return {
    priority: String(priorityOf(rule)),
    action: rule.action,
    protocol: rule.protocol,
    ports: (rule.ports ?? []).join(", "),
    types: (rule.types ?? []).join(", "),
    peers: rule.peers.join(", "),
    enabled: isOn(rule),
    log: rule.log ?? false,
    ends_at: rule.ends_at ? localMoment(rule.ends_at) : "",
    comment: rule.comment ?? "",
  };
}

/** The rule that the form says, over the one that it began with. Only while there is no problem. */
export function ruleOf(form: RuleForm, direction: Direction, before?: GroupRule): { rule: GroupRule; problems: Problems } {
  const problems: Problems = {};
  const priority = Number(form.priority);
  if (!/^\d+$/.test(form.priority.trim()) || priority < PRIORITY_MIN || priority > PRIORITY_MAX) problems.priority = "priority";
  const ports = hasPorts(form.protocol) ? words(form.ports) : [];
  if (!ports.every(isPorts)) problems.ports = "ports";
  const types = hasTypes(form.protocol) ? words(form.types) : [];
  if (!types.every((type) => /^\d{1,3}$/.test(type) && Number(type) <= 255)) problems.types = "types";
  const peers = words(form.peers);
  if (peers.length === 0) problems.peers = "peers";
  const ends = form.ends_at === "" ? undefined : form.ends_at === (before?.ends_at ? localMoment(before.ends_at) : null) ? before?.ends_at : new Date(form.ends_at).toISOString();
  const rule: GroupRule = {
    ...(before?.id ? { id: before.id } : {}),
    direction,
    priority,
    action: form.action,
    protocol: form.protocol,
    ...(ports.length > 0 ? { ports } : {}),
    ...(types.length > 0 ? { types: types.map(Number) } : {}),
    peers,
    enabled: form.enabled,
    ...(form.log ? { log: true } : {}),
    ...(ends ? { ends_at: ends } : {}),
    ...(form.comment.trim() === "" ? {} : { comment: form.comment.trim() }),
  };
  return { rule, problems };
}

/** `22`, `8000-8080`. */
export function isPorts(text: string): boolean {
  const found = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (found === null) return false;
  const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
  return first <= last && last <= PORT_MAX;
}

export const isProtocol = (text: string): text is Protocol => (PROTOCOLS as readonly string[]).includes(text);

/** The end of `typed` that is being written, and what could stand there instead. */
export function completions(typed: string, known: readonly string[]): string[] {
  const at = Math.max(typed.lastIndexOf(","), typed.lastIndexOf(" ")) + 1;
  const begun = typed.slice(at).toLowerCase();
  if (begun === "") return [];
  const taken = new Set(words(typed.slice(0, at)));
  return known.filter((peer) => !taken.has(peer) && peer !== begun && peer.toLowerCase().includes(begun)).map((peer) => `${typed.slice(0, at)}${peer}`);
}
