import { expect, test } from "vitest";
import { touches } from "./stream";

test.each([
  ["firewall/bans", "firewall/bans", true],
  ["firewall", "firewall/bans", true],
  ["hosts/web-1", "hosts", true],
  ["hosts", "hosts", true],
  ["host", "hosts", false],
  ["plans", "hosts", false],
  ["journal", "audit", true],
  ["hosts", "overview", true],
  ["monitor", "monitor", true],
  ["monitor", "monitor/alarms", false],
  ["monitor/alarms", "monitor/alarms", true],
  ["monitor/alarms", "monitor/rules", true],
  ["resources", "monitor/rules", true],
  ["firewall/groups", "firewall/effective", true],
  ["firewall/groups", "resources/SecurityGroup", true],
  ["firewall/groups", "draft-check", false],
  ["firewall/exposure", "firewall/matrix", true],
  ["firewall/hits", "firewall/denied", true],
  ["firewall/hits", "firewall/bans", false],
])("a change of %s touches the query of %s: %s", (topic, head, expected) => expect(touches(topic, head)).toBe(expected));
