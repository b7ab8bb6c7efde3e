import { expect, test } from "vitest";
import { prefixesOf } from "./prefixes";

test("lists are pasted as they come: comments go, each network once, order kept", () => {
  expect(prefixesOf("# office\n198.51.100.0/24, 2001:db8::/32\n\n203.0.113.9 # the old line\r\n203.0.113.9; 10.0.0.0/8")).toEqual(["198.51.100.0/24", "2001:db8::/32", "203.0.113.9", "10.0.0.0/8"]);
  expect(prefixesOf(" \n# nothing")).toEqual([]);
});
