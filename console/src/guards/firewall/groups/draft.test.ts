import { expect, test } from "vitest";
import type { GroupDetail, GroupRule, SecurityGroupSpec } from "../../../api/firewall";
import { changesOf, documentOf, draftOf, newDraft, rowsOf, specOf, stateOf, statsOf, withCopy, withMoved, withRemoved, withRowBack, withRule, withSwitched } from "./draft";

const web: GroupRule = { id: "web", priority: 10, action: "allow", protocol: "tcp", ports: [80, "443"], peers: ["any"] };
const ssh: GroupRule = { priority: 20, action: "allow", protocol: "tcp", ports: ["22"], peers: ["list:office"] };
const scan: GroupRule = { priority: 20, action: "deny", protocol: "all", peers: ["list:scanners"] };
const out: GroupRule = { direction: "out", priority: 5, action: "deny", protocol: "tcp", ports: ["25"], peers: ["any"] };
const spec: SecurityGroupSpec = { description: "web servers", members: { tags: { role: "web" } }, rules: [web, ssh, scan, out] };
const draft = draftOf(3, spec);

test("a draft that nobody touched says what is saved and counts nothing", () => {
  expect(specOf(draft)).toEqual(spec);
  expect(changesOf(draft)).toBe(0);
});

test("rows stand in the order of evaluation, deny before allow in a tie", () => {
  expect(rowsOf(draft, "in").map((row) => row.rule)).toEqual([web, scan, ssh]);
  expect(rowsOf(draft, "out").map((row) => row.rule)).toEqual([out]);
});

test("writing a default out is no change", () => {
  const next = withRule(draft, "r0", { ...web, direction: "in", enabled: true, log: false, comment: "", ports: ["80", "443"], types: [] });
  expect(changesOf(next)).toBe(0);
});

test("changed, added, removed and switched rules are counted once each", () => {
  let next = withRule(draft, "r0", { ...web, priority: 11 });
  next = withRule(next, "r0", { ...web, priority: 12 });
  next = withRule(next, null, { ...ssh, ports: ["2222"] });
  next = withRemoved(next, "r2", true);
  next = withSwitched(next, "r1", false);
  expect(changesOf(next)).toBe(4);
  expect(next.rows.map(stateOf)).toEqual(["changed", "changed", "removed", "same", "new"]);
  expect(documentOf("web", next)).toMatchObject({ kind: "SecurityGroup", name: "web", version: 3 });
  expect(specOf(next).rules).toHaveLength(4);
});

test("a new row that is removed is gone, a saved one can be had back", () => {
  const added = withCopy(draft, "r0");
  expect(added.rows.at(-1)?.rule.id).toBeUndefined();
  expect(withRemoved(added, added.rows.at(-1)?.key ?? "", true).rows).toHaveLength(4);
  expect(changesOf(withRowBack(withRemoved(draft, "r1", true), "r1"))).toBe(0);
});

test("moving exchanges priorities with the neighbour and stops at the ends", () => {
  const later = withMoved(draft, "r0", 1);
  expect(later && rowsOf(later, "in").map((row) => row.rule.priority)).toEqual([10, 20, 20]);
  expect(later && rowsOf(later, "in")[0]?.key).toBe("r2");
  const tied = withMoved(draft, "r1", -1);
  expect(tied && rowsOf(tied, "in").map((row) => row.key)).toEqual(["r0", "r1", "r2"]);
  expect(withMoved(draft, "r0", -1)).toBeNull();
  expect(withMoved(draft, "r3", 1)).toBeNull();
});

test("members, description and intra count as one change each, in any order of keys", () => {
  expect(changesOf({ ...draft, spec: { ...draft.spec, members: { tags: { role: "web", env: "live" } }, intra: "allow" } })).toBe(2);
  const two = draftOf(1, { members: { tags: { a: "1", b: "2" } } });
  expect(changesOf({ ...two, spec: { members: { tags: { b: "2", a: "1" } } } })).toBe(0);
});

test("a new group has only new rules and version 0", () => {
  const fresh = newDraft(spec);
  expect(fresh.version).toBe(0);
  expect(changesOf(fresh)).toBe(6);
});

test("hits are found by name, else by what the rule matches", () => {
  const stats = (rule: GroupRule, id: string) => ({ id, rule, peers: [], packets: 1, packets_24h: 1 });
  const detail = { rules: [stats({ ...ssh, id: "a1b2" }, "web/a1b2"), stats(web, "web/web")] } as unknown as GroupDetail;
  expect(draft.rows.map((row) => statsOf(detail, row)?.id)).toEqual(["web/web", "web/a1b2", undefined, undefined]);
});
