import { expect, test } from "vitest";
import { readData } from "./data";

test("only what differs is said, with its path", () => {
  const data = { before: { region: null, tags: { env: "test", a: "1" }, profile: "observe" }, after: { region: "eu", tags: { env: "live", a: "1" }, profile: "observe" } };
  expect(readData(data)).toEqual({
    plan: null,
    changes: [
      { path: "region", before: null, after: "eu" },
      { path: "tags.env", before: "test", after: "live" },
    ],
    rest: null,
  });
});

test("plan, changes and the rest are told apart", () => {
  const changes = [{ path: "role", before: "viewer", after: "admin" }];
  expect(readData({ plan: "p-1", changes, seconds: 5 })).toEqual({ plan: "p-1", changes, rest: { seconds: 5 } });
});

test("what is not understood stays as it is", () => {
  for (const data of [{ changes: "many" }, { changes: [1] }, { before: 1 }, { plan: 7 }]) expect(readData(data)).toEqual({ plan: null, changes: [], rest: data });
  for (const data of [null, undefined, {}]) expect(readData(data).rest).toBeNull();
  expect(readData([1, 2]).rest).toEqual([1, 2]);
});

test("values deeper than four levels are compared as a whole", () => {
  const deep = (value: number) => ({ a: { b: { c: { d: { e: value } } } } });
  expect(readData({ before: deep(1), after: deep(2) }).changes).toEqual([{ path: "a.b.c.d", before: { e: 1 }, after: { e: 2 } }]);
});
