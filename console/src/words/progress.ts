import type { PlanHost, Plan } from "../api/types";

/** How far a plan is over its hosts. */
export interface Progress {
  all: number;
  /** Hosts that are as planned, or null where the server does not say it host by host. */
  done: number | null;
  failed: number;
  /** Hosts that still wait and are not heard of: the plan does not wait for them. */
  silent: number;
}

export function progressOf({ hosts, hosts_state: states = [], progress, reports }: Pick<Plan, "hosts" | "hosts_state" | "progress" | "reports">): Progress {
  const silent = count(states, ({ state, silent }) => state === "waiting" && silent !== null && silent !== undefined);
  if (progress) return { all: progress.hosts, done: progress.applied, failed: progress.failed + progress.rolled_back, silent };
  if (states.length > 0) return { all: states.length, done: count(states, ({ state }) => state === "applied"), failed: count(states, ({ state }) => state === "failed" || state === "rolled_back"), silent };
  return { all: hosts.length, done: reports && reports.length > 0 ? reports.filter((report) => report.verified).length : null, failed: 0, silent: 0 };
}

/** What needs somebody comes first: failed, then waiting and silent, then waiting, then the rest; each by name. */
export function byNeed(states: PlanHost[]): PlanHost[] {
  return states.toSorted((a, b) => need(a) - need(b) || (a.host < b.host ? -1 : 1));
}

const ORDER: Record<PlanHost["state"], number> = { failed: 0, rolled_back: 1, waiting: 3, applied: 4 };

function need({ state, silent }: PlanHost): number {
  return state === "waiting" && silent ? 2 : ORDER[state];
}

function count(states: PlanHost[], fits: (state: PlanHost) => boolean): number {
  return states.filter(fits).length;
}
