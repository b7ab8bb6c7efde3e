import { expect, test } from "vitest";
import { commandOf, fromOf } from "./since";

const NOW_MS = Date.parse("2026-03-02T12:00:00Z");

test("a relative range looks back from the server's clock", () => {
  expect(fromOf("24h", NOW_MS)).toBe("2026-03-01T12:00:00.000Z");
});

test("nonsense in the address filters by no time", () => {
  for (const since of [undefined, "", "99y", "toString", ["1h"]]) expect(fromOf(since, NOW_MS)).toBeUndefined();
});

test("the command says the same filters, quoted for a shell", () => {
  expect(commandOf({ actor: "ann@example.org", kind: "frame.host" })).toBe("palisade audit list --actor ann@example.org --kind frame.host --output json");
  expect(commandOf({ q: "it's; rm -rf" })).toBe("palisade audit list --q 'it'\\''s; rm -rf' --output json");
});
