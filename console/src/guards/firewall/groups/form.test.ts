import { expect, test } from "vitest";
import type { GroupRule } from "../../../api/firewall";
import { completions, EMPTY_FORM, formOf, isPorts, ruleOf } from "./form";

test("a rule goes into the form and comes out the same", () => {
  const rule: GroupRule = { id: "ssh", direction: "in", priority: 20, action: "allow", protocol: "tcp", ports: ["22", "8000-8080"], peers: ["list:office", "10.0.0.0/8"], enabled: false, log: true, ends_at: "2030-01-01T10:00:30Z", comment: "by hand" };
  expect(ruleOf(formOf(rule), "in", rule)).toEqual({ rule, problems: {} });
});

test("what a protocol has not got is left out", () => {
  const form = { ...EMPTY_FORM, protocol: "icmp" as const, ports: "22", types: "8", peers: "any" };
  expect(ruleOf(form, "in").rule).toEqual({ direction: "in", priority: 50, action: "allow", protocol: "icmp", types: [8], peers: ["any"], enabled: true });
});

test("every wrong field is named at once", () => {
  expect(ruleOf({ ...EMPTY_FORM, priority: "0", ports: "22, 90-80", peers: " " }, "in").problems).toEqual({ priority: "priority", ports: "ports", peers: "peers" });
});

test.each([["22", true], ["8000-8080", true], ["0-65535", true], ["65536", false], ["90-80", false], ["ssh", false], ["-1", false], ["", false]])("%s is a port: %s", (text, is) => {
  expect(isPorts(text)).toBe(is);
});

test("only the word that is being written is completed, and none twice", () => {
  const known = ["any", "list:office", "list:scanners", "group:web"];
  expect(completions("list:office, li", known)).toEqual(["list:office, list:scanners"]);
  expect(completions("web", known)).toEqual(["group:web"]);
  expect(completions("any, ", known)).toEqual([]);
});
