import { expect, test } from "vitest";
import { banLines, packetOf } from "./bans";

test("one ban a line: address, time, reason; comments and empty lines go", () => {
  expect(banLines("# seen today\n203.0.113.9 12h tried root\n\n2001:db8::/48\n198.51.100.0/24, scanner\r\n203.0.113.10 7d # note")).toEqual([
    { address: "203.0.113.9", for: "12h", reason: "tried root" },
    { address: "2001:db8::/48" },
    { address: "198.51.100.0/24", reason: "scanner" },
    { address: "203.0.113.10", for: "7d" },
  ]);
});

test("an address of six is put in brackets before its port", () => {
  expect(packetOf("2001:db8::9", "web-1", "22")).toBe("tcp [2001:db8::9]:40000 -> web-1:22");
  expect(packetOf("203.0.113.9", "web-1", "")).toBe("tcp 203.0.113.9:40000 -> web-1:443");
});
