import type { HostView } from "../../api/types";
import { VERDICT_WORDS } from "../../theme/verdict";
import { text as words } from "../../parts/text";
import { text } from "./text";

/** By what hosts stand together: `region`, `verdict`, or the values of one tag, `tag:KEY`. */
export type Grouping = "none" | "region" | "verdict" | `tag:${string}`;

export function groupingOf(asked: string | null): Grouping {
  if (asked === "region" || asked === "verdict") return asked;
  return asked?.startsWith("tag:") && asked.length > 4 ? (asked as Grouping) : "none";
}

/** The title of the group that a host belongs to. */
export function groupTitle(host: HostView, grouping: Grouping): string {
  if (grouping === "region") return host.region ?? text.noRegion;
  if (grouping === "verdict") return words.verdict[host.verdict.word];
  const key = grouping.slice(4);
  const value = host.tags[key];
  return value === undefined ? text.noTag(key) : `${key}=${value}`;
}

/** The same hosts, those of one group beside each other: verdicts by their need, others by name, hosts without one last. */
export function byGroup(hosts: HostView[], grouping: Grouping): HostView[] {
  if (grouping === "none") return hosts;
  if (grouping === "verdict") return hosts.toSorted((a, b) => VERDICT_WORDS.indexOf(a.verdict.word) - VERDICT_WORDS.indexOf(b.verdict.word));
  const valueOf = (host: HostView) => (grouping === "region" ? host.region : host.tags[grouping.slice(4)]);
  return hosts.toSorted((a, b) => order(valueOf(a), valueOf(b)));
}

function order(a: string | null | undefined, b: string | null | undefined): number {
  if (typeof a !== "string" || typeof b !== "string") return Number(typeof a !== "string") - Number(typeof b !== "string");
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The keys of tags that the hosts have, most used first. */
export function tagKeys(hosts: HostView[]): string[] {
  const counts = new Map<string, number>();
  for (const key of hosts.flatMap((host) => Object.keys(host.tags))) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([key]) => key);
}
