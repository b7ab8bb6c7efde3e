import { expect, test } from "vitest";
import type { PlanHost, Plan } from "../api/types";
import { byNeed, progressOf } from "./progress";

const STATES: PlanHost[] = [
  { host: "a", state: "applied" },
  { host: "b", state: "waiting" },
  { host: "c", state: "waiting", silent: "unreachable" },
  { host: "d", state: "failed", error: "nft: busy" },
  { host: "e", state: "rolled_back" },
];
const hosts = STATES.map(({ host }) => host);

test("hosts are counted by what became of them, and a silent one is not a failed one", () => {
  expect(progressOf({ hosts, hosts_state: STATES })).toEqual({ all: 5, done: 1, failed: 2, silent: 1 });
});

test("the server's own count goes before the hosts that a list leaves out", () => {
  const progress = { hosts: 2_000, waiting: 3, applied: 1_990, failed: 4, rolled_back: 3 };
  expect(progressOf({ hosts: [], hosts_state: [], progress })).toEqual({ all: 2_000, done: 1_990, failed: 7, silent: 0 });
});

test("without a word about single hosts the reports are counted", () => {
  const reports = [{ verified: true }, { verified: false }] as Plan["reports"];
  expect(progressOf({ hosts, reports })).toEqual({ all: 5, done: 1, failed: 0, silent: 0 });
});

test("where nothing is known nothing is counted", () => expect(progressOf({ hosts, reports: [] }).done).toBeNull());

test("what needs somebody comes first", () => expect(byNeed(STATES).map(({ host }) => host).join("")).toBe("decba"));
