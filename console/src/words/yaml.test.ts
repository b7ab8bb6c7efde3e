import { expect, test } from "vitest";
import { toYaml } from "./yaml";

test("a document is written as people write it", () => {
  const rule = { kind: "AlarmRule", name: "cpu", spec: { enabled: true, policies: [{ metric: "cpu_usage_ratio", threshold: 0.9, labels: { mount: "/srv" } }], scope: {}, hosts: [], note: undefined } };
  expect(toYaml(rule)).toBe(
    ["kind: AlarmRule", "name: cpu", "spec:", "  enabled: true", "  policies:", "    - metric: cpu_usage_ratio", "      threshold: 0.9", "      labels:", "        mount: /srv", "  scope: {}", "  hosts: []", ""].join("\n"),
  );
});

test("words that would mean something else are quoted", () => {
  expect(toYaml({ a: "yes", b: "4h", c: "a: b", d: "x\n- y", e: "", f: "=~^web", g: ["on", "plain"] })).toBe('a: "yes"\nb: "4h"\nc: "a: b"\nd: "x\\n- y"\ne: ""\nf: "=~^web"\ng:\n  - "on"\n  - plain\n');
});
