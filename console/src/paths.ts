/** The one builder of addresses. Names, not numbers; nothing else in the console glues a path. */

export const HOST_TABS = [
  "overview",
  "findings",
  "inventory",
  "monitor",
  "firewall",
  "intrusion",
  "integrity",
  "access",
  "backup",
  "upgrade",
  "waf",
  "mesh",
  "journal",
] as const;
export type HostTab = (typeof HOST_TABS)[number];

export const GUARDS = ["firewall", "mesh", "access", "backup", "waf", "intrusion", "integrity", "inventory", "upgrade", "monitor", "journal"] as const;
export type Guard = (typeof GUARDS)[number];

type Params = Record<string, string | undefined>;

function withQuery(path: string, params?: Params): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== "") query.set(key, value);
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

const part = encodeURIComponent;

/** The page that a guard's sidebar entry leads to. */
const GUARD_HOME: Partial<Record<Guard, string>> = {
  firewall: "/firewall/groups",
  journal: "/journal/events",
  monitor: "/monitor/dashboards",
};

export const to = {
  signIn: (back?: string) => withQuery("/sign-in", { to: back === "/" ? undefined : back }),
  overview: () => "/",
  hosts: (params?: Params) => withQuery("/hosts", params),
  host: (host: string, tab: HostTab = "overview", params?: Params) =>
    withQuery(tab === "overview" ? `/hosts/${part(host)}` : `/hosts/${part(host)}/${tab}`, params),
  findings: (params?: Params) => withQuery("/findings", params),
  plans: (params?: Params) => withQuery("/plans", params),
  plan: (id: string) => `/plans/${part(id)}`,
  guard: (guard: Guard) => GUARD_HOME[guard] ?? `/${guard}`,
  bans: (params?: Params) => withQuery("/firewall/bans", params),
  groups: (params?: Params) => withQuery("/firewall/groups", params),
  group: (group: string, params?: Params) => withQuery(`/firewall/groups/${part(group)}`, params),
  lists: (params?: Params) => withQuery("/firewall/lists", params),
  list: (list: string, params?: Params) => withQuery(`/firewall/lists/${part(list)}`, params),
  policies: (params?: Params) => withQuery("/firewall/policies", params),
  policy: (policy: string, params?: Params) => withQuery(`/firewall/policies/${part(policy)}`, params),
  exposure: (params?: Params) => withQuery("/firewall/exposure", params),
  hits: (params?: Params) => withQuery("/firewall/hits", params),
  allow: (params?: Params) => withQuery("/firewall/allow", params),
  events: (params?: Params) => withQuery("/journal/events", params),
  audit: (params?: Params) => withQuery("/audit", params),
  tokens: (params?: Params) => withQuery("/tokens", params),
  joinTokens: (params?: Params) => withQuery("/join-tokens", params),
  users: (params?: Params) => withQuery("/users", params),
  account: () => "/account",
  settings: () => "/settings",
  incidents: () => "/intrusion/incidents",
  dashboards: (board?: string, params?: Params) => withQuery(board === undefined ? "/monitor/dashboards" : `/monitor/dashboards/${part(board)}`, params),
  alarms: (params?: Params) => withQuery("/monitor/alarms", params),
  rules: (params?: Params) => withQuery("/monitor/rules", params),
  rule: (rule: string) => `/monitor/rules/${part(rule)}`,
  silences: (params?: Params) => withQuery("/monitor/silences", params),
  channels: (params?: Params) => withQuery("/monitor/channels", params),
  deliveries: (params?: Params) => withQuery("/monitor/deliveries", params),
  sampling: (params?: Params) => withQuery("/monitor/sampling", params),
  probes: (params?: Params) => withQuery("/monitor/probes", params),
};

/** The same address with some parameters of the query changed; null takes one out. */
export function changed(search: URLSearchParams, changes: Record<string, string | null>): string {
  const next = new URLSearchParams(search);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  return text === "" ? "?" : `?${text}`;
}
