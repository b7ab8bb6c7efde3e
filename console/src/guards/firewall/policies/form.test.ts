import { expect, test } from "vitest";
import type { PortPolicySpec } from "../../../api/firewall";
import { lacksOf, newException, policyForm, policyOf } from "./form";

const spec: PortPolicySpec = {
  hosts: { tags: { role: "db" } },
  high_risk: "deny",
  databases: "allow",
  private: ["100.64.0.0/10"],
  web_ports: ["80", "443", "8000-8080"],
  default_out: "deny",
  exceptions: [{ hosts: { hosts: ["db-1"] }, protocol: "tcp", ports: ["30006"], peers: ["list:office"], reason: "a move", ends_at: "2030-01-01T10:00:30Z" }],
};

test("a policy goes into the form and comes out the same, the seconds of its ends too", () => {
  expect(policyOf(policyForm(spec))).toEqual(spec);
});

test("what a file leaves out stands there as the default", () => {
  expect(policyOf(policyForm({}))).toEqual({ hosts: {}, high_risk: "deny", databases: "deny", web_ports: ["80", "443"], default_out: "allow" });
});

test("an exception needs ports, peers, a reason and an end", () => {
  const fresh = newException(Date.parse("2026-01-01T00:00:00Z"));
  expect(lacksOf(fresh)).toEqual(["ports", "peers", "reason"]);
  expect(lacksOf({ ...fresh, ports: "445", peers: "any", reason: "x", ends_at: "" })).toEqual(["ends_at"]);
});
