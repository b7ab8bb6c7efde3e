import { useQuery } from "@tanstack/react-query";
import { overviewQuery } from "../../api/queries";
import { Tabs } from "../../parts/Tabs/Tabs";
import { to } from "../../paths";
import { text } from "./text";

export type MonitorPart = keyof typeof text.parts;

/** The pages of the guard, on each of them. */
export function MonitorTabs({ current }: { current: MonitorPart }) {
  const { data } = useQuery(overviewQuery);
  const address: Record<MonitorPart, string> = {
    dashboards: to.dashboards(),
    alarms: to.alarms(),
    rules: to.rules(),
    silences: to.silences(),
    channels: to.channels(),
    deliveries: to.deliveries(),
    probes: to.probes(),
    sampling: to.sampling(),
  };
  const tabs = (Object.keys(address) as MonitorPart[]).map((key) => ({ key, title: text.parts[key], to: address[key], count: key === "alarms" ? data?.counts.alarms_firing : undefined }));
  return <Tabs tabs={tabs} current={current} label={text.monitor} />;
}
