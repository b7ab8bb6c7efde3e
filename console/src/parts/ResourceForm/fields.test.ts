import { expect, test } from "vitest";
import { draftOf, type Field, missingOf, pairs, specOf } from "./fields";

const fields: Field[] = [
  { path: "type", label: "Type", required: true },
  { path: "url", label: "URL", required: true, when: (draft) => draft.type === "webhook" },
  { path: "port", label: "Port", kind: "number" },
  { path: "to", label: "To", kind: "list" },
  { path: "match.scope.tags", label: "Tags", kind: "pairs" },
  { path: "allow_private", label: "Private", kind: "check" },
];

test("a spec goes into the form and comes out the same", () => {
  const spec = { type: "smtp", port: 587, to: ["a@example.org", "b@example.org"], match: { scope: { tags: { role: "web" } } }, allow_private: true };
  expect(specOf(fields, draftOf(fields, spec))).toEqual(spec);
});

test("what the form does not show stays, what it shows empty goes", () => {
  expect(specOf(fields, { ...draftOf(fields, {}), type: "smtp" }, { template: { title: "x" }, port: 25, match: { scope: { tags: { a: "b" } } } })).toEqual({ type: "smtp", template: { title: "x" } });
});

test("only fields that are shown are missed", () => {
  expect([...missingOf(fields, { type: "webhook" })]).toEqual(["url"]);
  expect([...missingOf(fields, { type: "smtp" })]).toEqual([]);
});

test("pairs keep what stands behind the first equals sign", () => {
  expect(pairs("mount=/srv, device==~sd.*")).toEqual({ mount: "/srv", device: "=~sd.*" });
  expect(pairs(" , ")).toBeUndefined();
});

test("the steps of an escalation go both ways, and an empty map that must be there stays", () => {
  const fields: Field[] = [{ path: "escalate", label: "", kind: "steps" }, { path: "match.scope.hosts", label: "", kind: "list" }];
  const spec = { match: {}, escalate: [{ after: "15m", channels: ["pager"] }, { after: "1h", channels: ["boss", "desk"] }] };
  expect(draftOf(fields, spec).escalate).toBe("15m pager, 1h boss desk");
  expect(specOf(fields, draftOf(fields, spec), { match: {} })).toEqual(spec);
});
