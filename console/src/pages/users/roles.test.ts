import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ROLE_ROWS, ROLES } from "./roles";

const golden = new URL("../../../../crates/palisade/tests/it/golden/permissions.txt", import.meta.url);
const lines = existsSync(golden) ? readFileSync(golden, "utf8").split("\n") : [];

/** The least role that the server lets in, as its own tests found it. */
function leastOf(endpoint: string): string | undefined {
  const words = lines.map((line) => line.trim().split(/\s+/)).find(([method, path]) => `${method} ${path}` === endpoint);
  return words && ROLES[words.slice(3).indexOf("yes")];
}

describe.skipIf(lines.length === 0)("what the console says of a role is what the server does", () => {
  for (const { endpoint, least } of ROLE_ROWS) {
    // an endpoint that the table does not hold yet is shown as skipped
    test.skipIf(leastOf(endpoint) === undefined)(endpoint, () => expect(leastOf(endpoint)).toBe(least));
  }
});
