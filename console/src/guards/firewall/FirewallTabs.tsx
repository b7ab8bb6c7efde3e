import { Tabs } from "../../parts/Tabs/Tabs";
import { to } from "../../paths";
import { text } from "./text";

export type FirewallPart = keyof typeof text.pages;

const ADDRESS: Record<FirewallPart, string> = {
  groups: to.groups(),
  lists: to.lists(),
  policies: to.policies(),
  exposure: to.exposure(),
  hits: to.hits(),
  bans: to.bans(),
  allow: to.allow(),
};

/** The pages of the guard, on each of them. */
export function FirewallTabs({ current }: { current: FirewallPart }) {
  const tabs = (Object.keys(ADDRESS) as FirewallPart[]).map((key) => ({ key, title: text.pages[key], to: ADDRESS[key] }));
  return <Tabs tabs={tabs} current={current} label={text.guard} />;
}
