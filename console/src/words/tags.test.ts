import { expect, test } from "vitest";
import { parseTags, printTags, tagsChange } from "./tags";

test("a line of tags reads, and prints by key", () => {
  expect(parseTags("role=web env=live")).toEqual({ tags: { role: "web", env: "live" }, wrong: null });
  expect(printTags({ role: "web", env: "live" })).toBe("env=live role=web");
});

test("a value may hold spaces and equals signs", () => {
  const tags = { owner: "Ann B", query: "a=b" };
  expect(parseTags(printTags(tags)).tags).toEqual(tags);
});

test("a word that is no tag is named", () => {
  expect(parseTags("role=web live").wrong).toBe("live");
  expect(parseTags("=web").wrong).toBe("=web");
});

test("only what differs is said, and what is gone is taken away", () => {
  expect(tagsChange({ role: "web", env: "live", a: "1" }, { role: "db", env: "live", b: "2" })).toEqual({ a: null, role: "db", b: "2" });
  expect(tagsChange({ a: "1" }, { a: "1" })).toEqual({});
});
