import type { Direction, GroupDetail, GroupRule, RuleStats, SecurityGroupSpec } from "../../../api/firewall";
import type { Document } from "../../../api/monitor";

/** A security group that is being edited. Pure: nothing here asks or stores. */

export interface Row {
  /** Stays while the draft lives; not the rule's id, which a new rule has not got. */
  key: string;
  rule: GroupRule;
  /** As it is saved; null for a new one. */
  was: GroupRule | null;
  removed: boolean;
}

export interface GroupDraft {
  /** The version that this is an edit of; 0 for a group that is not there yet. */
  version: number;
  base: SecurityGroupSpec;
  spec: SecurityGroupSpec;
  rows: Row[];
  /** Number of the next new row. */
  next: number;
}

export type RowState = "same" | "new" | "changed" | "removed";

export const PRIORITY_MIN = 1;
export const PRIORITY_MAX = 100;
export const PRIORITY = 50;

export const directionOf = (rule: GroupRule): Direction => rule.direction ?? "in";
export const priorityOf = (rule: GroupRule): number => rule.priority ?? PRIORITY;
export const isOn = (rule: GroupRule): boolean => rule.enabled !== false;

export function draftOf(version: number, spec: SecurityGroupSpec): GroupDraft {
  const rows = (spec.rules ?? []).map((rule, i): Row => ({ key: `r${i}`, rule, was: rule, removed: false }));
  return { version, base: spec, spec: withoutRules(spec), rows, next: 1 };
}

/** The draft of a group that is not there yet: every rule of it is new. */
export function newDraft(spec: SecurityGroupSpec): GroupDraft {
  const rows = (spec.rules ?? []).map((rule, i): Row => ({ key: `n${i + 1}`, rule, was: null, removed: false }));
  return { version: 0, base: {}, spec: withoutRules(spec), rows, next: rows.length + 1 };
}

export function specOf(draft: GroupDraft): SecurityGroupSpec {
  return { ...draft.spec, rules: draft.rows.filter((row) => !row.removed).map((row) => row.rule) };
}

export function documentOf(name: string, draft: GroupDraft): Document {
  return { kind: "SecurityGroup", name, version: draft.version, spec: specOf(draft) };
}

/** In the order of evaluation: priority, deny before allow, then as they stand. */
export function rowsOf(draft: GroupDraft, direction: Direction): Row[] {
  return draft.rows
    .filter((row) => directionOf(row.rule) === direction)
    .toSorted((a, b) => priorityOf(a.rule) - priorityOf(b.rule) || rank(a.rule) - rank(b.rule));
}

const rank = (rule: GroupRule): number => (rule.action === "deny" ? 0 : 1);

export function stateOf(row: Row): RowState {
  if (row.removed) return "removed";
  if (row.was === null) return "new";
  return same(row.rule, row.was) ? "same" : "changed";
}

/** How many rules and fields differ from what is saved. */
export function changesOf(draft: GroupDraft): number {
  const rules = draft.rows.filter((row) => stateOf(row) !== "same").length;
  const before = draft.base;
  const fields = [
    (draft.spec.description ?? "") !== (before.description ?? ""),
    (draft.spec.intra ?? "isolate") !== (before.intra ?? "isolate"),
    sorted(draft.spec.members ?? {}) !== sorted(before.members ?? {}),
  ].filter(Boolean).length;
  return rules + fields;
}

export function withRule(draft: GroupDraft, key: string | null, rule: GroupRule): GroupDraft {
  if (key === null) return { ...draft, rows: [...draft.rows, { key: `n${draft.next}`, rule, was: null, removed: false }], next: draft.next + 1 };
  return { ...draft, rows: draft.rows.map((row) => (row.key === key ? { ...row, rule } : row)) };
}

/** A copy of a rule, without the name that is the other one's own. */
export function withCopy(draft: GroupDraft, key: string): GroupDraft {
  const row = draft.rows.find((one) => one.key === key);
  if (row === undefined) return draft;
  const { id: _, ...rule } = row.rule;
  return withRule(draft, null, rule);
}

/** A new row goes at once, a saved one stays struck through until the draft is applied. */
export function withRemoved(draft: GroupDraft, key: string, removed: boolean): GroupDraft {
  const rows = draft.rows.filter((row) => row.key !== key || row.was !== null).map((row) => (row.key === key ? { ...row, removed } : row));
  return { ...draft, rows };
}

export function withRowBack(draft: GroupDraft, key: string): GroupDraft {
  return { ...draft, rows: draft.rows.map((row) => (row.key === key && row.was !== null ? { ...row, rule: row.was, removed: false } : row)) };
}

export function withSwitched(draft: GroupDraft, key: string, on: boolean): GroupDraft {
  const row = draft.rows.find((one) => one.key === key);
  return row === undefined ? draft : withRule(draft, key, { ...row.rule, enabled: on });
}

/** A step earlier (-1) or later (1): the two neighbours exchange their priorities. Null at the ends. */
export function withMoved(draft: GroupDraft, key: string, by: 1 | -1): GroupDraft | null {
  const row = draft.rows.find((one) => one.key === key);
  if (row === undefined) return null;
  const order = rowsOf(draft, directionOf(row.rule)).filter((one) => !one.removed);
  const other = order[order.findIndex((one) => one.key === key) + by];
  if (other === undefined) return null;
  const [mine, theirs] = [priorityOf(row.rule), priorityOf(other.rule)];
  if (mine !== theirs) return withRule(withRule(draft, key, { ...row.rule, priority: theirs }), other.key, { ...other.rule, priority: mine });
  const next = mine + by;
  return next < PRIORITY_MIN || next > PRIORITY_MAX ? null : withRule(draft, key, { ...row.rule, priority: next });
}

/** What is known of a saved rule: by its name, else by what it matches. */
export function statsOf(detail: GroupDetail | undefined, row: Row): RuleStats | undefined {
  const rule = row.was;
  if (rule === null) return undefined;
  const named = rule.id ? detail?.rules.find((one) => one.rule.id === rule.id) : undefined;
  return named ?? detail?.rules.find((one) => same({ ...one.rule, id: null }, { ...rule, id: null }));
}

const same = (a: GroupRule, b: GroupRule): boolean => sorted(filled(a)) === sorted(filled(b));

/** A rule with every default written out, so that a left-out field is no difference. */
function filled(rule: GroupRule): GroupRule {
  const { id, ends_at, ports, ...rest } = rule;
  return { types: [], log: false, comment: "", ...rest, ...(id ? { id } : {}), ...(ends_at ? { ends_at } : {}), ports: (ports ?? []).map(String), direction: directionOf(rule), priority: priorityOf(rule), enabled: isOn(rule) };
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

function withoutRules({ rules: _, ...spec }: SecurityGroupSpec): SecurityGroupSpec {
  return spec;
}
