import { expect, test } from "vitest";
import { filtersOf, nextSort, parseFilter, parseSort, printFilter } from "./filters";

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

test("a column's title goes from ascending to descending to the server's order", () => {
  expect(nextSort(null, "since")).toBe("since");
  expect(nextSort(parseSort("since"), "since")).toBe("-since");
  expect(nextSort(parseSort("-since"), "since")).toBeNull();
  expect(nextSort(parseSort("-since"), "name")).toBe("name");
  expect(parseSort("-")).toBeNull();
});
