import { expect, test } from "vitest";
import type { Matrix } from "../../../api/firewall";
import { moved, ruleOf, shownOf, showOf, stateOf } from "./grid";

const size = { rows: 30, columns: 5 };

test.each([
  ["ArrowUp", false, { row: 0, column: 2 }],
  ["ArrowDown", false, { row: 2, column: 2 }],
  ["ArrowDown", true, { row: 29, column: 2 }],
  ["ArrowLeft", false, { row: 1, column: 1 }],
  ["ArrowRight", true, { row: 1, column: 4 }],
  ["Home", false, { row: 1, column: 0 }],
  ["End", true, { row: 29, column: 4 }],
  ["PageDown", false, { row: 11, column: 2 }],
  ["PageUp", false, { row: 0, column: 2 }],
])("%s with ctrl %s leads to the right cell", (key, ctrl, expected) => {
  expect(moved({ row: 1, column: 2 }, key, ctrl, size, 10)).toEqual(expected);
});

test("the edges hold and other keys are nobody's", () => {
  expect(moved({ row: 0, column: 0 }, "ArrowLeft", false, size, 10)).toEqual({ row: 0, column: 0 });
  expect(moved({ row: 29, column: 4 }, "PageDown", false, size, 10)).toEqual({ row: 29, column: 4 });
  expect(moved({ row: 0, column: 0 }, "a", false, size, 10)).toBeNull();
});

const matrix: Matrix = {
  ports: [{ protocol: "tcp", port: 22, high_risk: false }, { protocol: "tcp", port: 445, high_risk: true }],
  hosts: [{ host: "web-1", stale: false, cells: [{ port: 1, state: "world", rule: "web/smb" }] }, { host: "old", stale: true, cells: [{ port: 0, state: "shut" }] }],
};

test("an address names a cell, also one with nothing in it", () => {
  const port = matrix.ports[1];
  expect(port && shownOf(matrix, showOf("web-1", port))?.cell?.state).toBe("world");
  expect(shownOf(matrix, "web-1/tcp/22")).toMatchObject({ cell: undefined });
  expect(shownOf(matrix, "web-1/udp/22")).toBeNull();
  expect(shownOf(matrix, null)).toBeNull();
});

test("what is old is unknown, what is not there is nothing", () => {
  const [web, old] = matrix.hosts;
  expect(web && stateOf(web, undefined)).toBe("nothing");
  expect(old && stateOf(old, old.cells[0])).toBe("unknown");
});

test("only rules of groups lead to a group", () => {
  expect(ruleOf("web/smb")).toEqual({ group: "web", rule: "smb" });
  expect(ruleOf("policy/high-risk-tcp")).toBeNull();
  expect(ruleOf("default/in")).toBeNull();
  expect(ruleOf(undefined)).toBeNull();
});
