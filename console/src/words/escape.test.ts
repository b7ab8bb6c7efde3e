import { expect, test } from "vitest";
import { pieces, plain } from "./escape";

test("control and bidirectional characters are shown, not obeyed", () => {
  expect(plain("\u001b[31mroot\u0007")).toBe("\\x1b[31mroot\\x07");
  expect(plain("invoice\u202Egnp.exe")).toBe("invoice\\u{202e}gnp.exe");
  expect(plain("a\u200bb\ufeffc\u{e0041}")).toBe("a\\u{200b}b\\u{feff}c\\u{e0041}");
});

test("lines, tabs and letters of any language stay", () => {
  expect(plain("größe\t漢字\nعربي")).toBe("größe\t漢字\nعربي");
});

test("escapes are told apart from the text that was there", () => {
  expect(pieces("a\u0000b")).toEqual([
    { text: "a", escaped: false },
    { text: "\\x00", escaped: true },
    { text: "b", escaped: false },
  ]);
});
