import { GUARDS, type Guard, HOST_TABS, to } from "../paths";
import { text } from "./text";

export interface Crumb {
  title: string;
  to: string;
}

const PAGES: Record<string, string> = {
  hosts: text.hosts,
  findings: text.findings,
  plans: text.plans,
  tokens: text.tokens,
  "join-tokens": text.joinTokens,
  users: text.users,
  account: text.yourAccount,
  settings: text.settings,
  audit: text.audit,
  groups: text.groups,
  lists: text.lists,
  policies: text.policies,
  exposure: text.exposure,
  hits: text.hits,
  bans: text.bans,
  allow: text.allow,
  events: text.events,
  alarms: text.alarms,
  dashboards: text.dashboards,
  rules: text.rules,
  silences: text.silences,
  channels: text.channels,
  deliveries: text.deliveries,
  probes: text.probes,
  sampling: text.sampling,
};

/** The way from the overview to an address, in names. */
export function crumbsOf(pathname: string): Crumb[] {
  const parts = pathname.split("/").filter((part) => part !== "");
  if (parts.length === 0) return [{ title: text.overview, to: to.overview() }];
  return parts.map((part, i) => {
    const name = decodeURIComponent(part);
    const isGuard = i === 0 && (GUARDS as readonly string[]).includes(name);
    const isTab = i === 2 && parts[0] === "hosts" && (HOST_TABS as readonly string[]).includes(name);
    const title = isGuard || isTab ? (text.guardNames[name as Guard] ?? PAGES[name] ?? name) : (i === 1 && (parts[0] === "hosts" || parts[0] === "plans")) || i > 1 ? name : (PAGES[name] ?? name);
    return { title, to: isGuard ? to.guard(name as Guard) : `/${parts.slice(0, i + 1).join("/")}` };
  });
}
