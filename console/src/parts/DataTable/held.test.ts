import { expect, test } from "vitest";
import { toCsv } from "./export";
import { holdRows } from "./held";

interface Row {
  id: string;
  n: number;
}
const row = (id: string, n = 0): Row => ({ id, n });
const idOf = (r: Row) => r.id;

test("while held, rows keep their place and take new content", () => {
  expect(holdRows([row("a"), row("b")], [row("b", 7), row("a", 1)], idOf)).toEqual({ shown: [row("a", 1), row("b", 7)], fresh: 0 });
});

test("new rows wait, rows that went stay", () => {
  expect(holdRows([row("a"), row("b")], [row("c"), row("a")], idOf)).toEqual({ shown: [row("a"), row("b")], fresh: 1 });
});

test("hostile cells do not become formulas of a spreadsheet", () => {
  expect(toCsv([{ name: "=cmd()", n: -1, note: 'a "b", c' }])).toBe('name,n,note\r\n\'=cmd(),-1,"a ""b"", c"\r\n');
});
