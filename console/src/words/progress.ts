import type { HostState, Plan } from "../api/types";

/** How far a plan is over its hosts. */
export interface Progress {
  all: number;
  /** Hosts that are as planned, or null where the server does not say it host by host. */
  done: number | null;
  failed: number;
  /** Hosts that still wait and are not heard of: the plan does not wait for them. */
  silent: number;
}

export function progressOf(plan: Pick<Plan, "hosts" | "hosts_state" | "reports">): Progress {
  const states = plan.hosts_state ?? [];
  if (states.length === 0) return { all: plan.hosts.length, done: plan.reports && plan.reports.length > 0 ? plan.reports.filter((report) => report.verified).length : null, failed: 0, silent: 0 };
  return {
    all: Math.max(plan.hosts.length, states.length),
    done: count(states, ({ state }) => state === "applied"),
    failed: count(states, ({ state }) => state === "failed" || state === "rolled_back"),
    silent: count(states, ({ state, silent }) => state === "waiting" && silent !== null && silent !== undefined),
  };
}

/** What needs somebody comes first: failed, then waiting and silent, then waiting, then the rest; each by name. */
export function byNeed(states: HostState[]): HostState[] {
  return states.toSorted((a, b) => need(a) - need(b) || (a.host < b.host ? -1 : 1));
}

const ORDER: Record<HostState["state"], number> = { failed: 0, rolled_back: 1, waiting: 3, applied: 4 };

function need({ state, silent }: HostState): number {
  return state === "waiting" && silent ? 2 : ORDER[state];
}

function count(states: HostState[], fits: (state: HostState) => boolean): number {
  return states.filter(fits).length;
}
