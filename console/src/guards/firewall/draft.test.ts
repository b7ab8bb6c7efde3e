import { expect, test } from "vitest";
import { asCommand, banParams, EMPTY_DRAFT, quote } from "./draft";

test("the form becomes the API's shape, without what is empty", () => {
  expect(banParams({ ...EMPTY_DRAFT, address: " 192.0.2.7 " }, true)).toEqual({ address: "192.0.2.7", for: "12h", dry_run: true });
  expect(banParams({ address: "192.0.2.7", reason: "scan", for: "", hosts: "web-1, web-2", probation: true }, false)).toEqual({
    address: "192.0.2.7",
    reason: "scan",
    probation: "60s",
    hosts: ["web-1", "web-2"],
    dry_run: false,
  });
});

test("the command says the same, and hostile words stay one word", () => {
  expect(asCommand("bans", { ...EMPTY_DRAFT, address: "192.0.2.7", reason: "it's $(me)", hosts: "web-1" })).toBe(
    "palisade firewall ban add 192.0.2.7 --for 12h --reason 'it'\\''s $(me)' --host web-1",
  );
  expect(quote("a;b")).toBe("'a;b'");
});
