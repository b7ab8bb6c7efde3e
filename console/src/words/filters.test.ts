import { expect, test } from "vitest";
import { filtersOf, nextSort, pairsOf, parseFilter, parseSort, printFilter, withoutValue, withValue } from "./filters";

const KEYS = ["severity", "host"] as const;

test("known words become filters, the rest is free text", () => {
  expect(parseFilter("severity:high ssh host:web-1 open port", KEYS)).toEqual({ severity: "high", host: "web-1", q: "ssh open port" });
});

test("unknown words and addresses stay free text", () => {
  expect(parseFilter("colour:red 2001:db8::1", KEYS)).toEqual({ q: "colour:red 2001:db8::1" });
});

test.each(["severity:high host:web-1 ssh", 'host:"web 1"', "", "a b c"])("what is printed reads back: %s", (text) => {
  expect(printFilter(parseFilter(text, KEYS))).toBe(text);
});

test("filters come out of the address, empty and foreign parameters do not", () => {
  expect(filtersOf(new URLSearchParams("severity=high&host=&q=ssh&show=1"), KEYS)).toEqual({ severity: "high", q: "ssh" });
});

const TAGGED = ["region", "tag"] as const;

test("tags may stand several times, each once", () => {
  expect(parseFilter("region:eu tag:role=web tag:env=live tag:role=web", TAGGED)).toEqual({ region: "eu", tag: ["role=web", "env=live"] });
  expect(filtersOf(new URLSearchParams("tag=role%3Dweb&tag=env%3Dlive&tag=&region=eu&region=us"), TAGGED)).toEqual({ region: "eu", tag: ["role=web", "env=live"] });
});

test("several tags print and read back", () => {
  const text = 'tag:role=web tag:"owner=Ann B" ssh';
  expect(printFilter(parseFilter(text, TAGGED))).toBe(text);
});

test("one tag is added or taken out and the others stay", () => {
  const filters = { region: "eu", tag: ["role=web", "env=live"] };
  expect(withValue(filters, "tag", "a=b")).toEqual(["role=web", "env=live", "a=b"]);
  expect(withoutValue(filters, "tag", "role=web")).toEqual({ region: "eu", tag: ["env=live"] });
  expect(withoutValue({ tag: ["role=web"] }, "tag", "role=web")).toEqual({});
  expect(pairsOf(filters)).toEqual([["region", "eu"], ["tag", "role=web"], ["tag", "env=live"]]);
});

test("a column's title goes from ascending to descending to the server's order", () => {
  expect(nextSort(null, "since")).toBe("since");
  expect(nextSort(parseSort("since"), "since")).toBe("-since");
  expect(nextSort(parseSort("-since"), "since")).toBeNull();
  expect(nextSort(parseSort("-since"), "name")).toBe("name");
  expect(parseSort("-")).toBeNull();
});
