import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useParams } from "react-router";
import { ApiError } from "../../api/errors";
import { hostQuery, useList } from "../../api/queries";
import type { HostDetail } from "../../api/types";
import { IsolatedBadge } from "../../guards/firewall/host/IsolatedBadge";
import { useIsolatedHosts } from "../../guards/firewall/host/isolated";
import { StateBadge } from "../../parts/Badges/Badges";
import { VerdictNote } from "../../parts/Badges/VerdictBadge";
import { Untrusted } from "../../parts/Command/Command";
import { HostLink } from "../../parts/HostLink/HostLink";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { Card, Page } from "../../parts/Page/Page";
import { Tabs } from "../../parts/Tabs/Tabs";
import { Tags } from "../../parts/Tags/Tags";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { HOST_TABS, type HostTab, to } from "../../paths";
import { isHeard } from "../../theme/verdict";
import { plain } from "../../words/escape";
import { formatSpan } from "../../words/format";
import { FindingsTable } from "../findings/FindingsTable";
import { GuardStory } from "../guard/GuardStory";
import { HostActions } from "./HostActions";
import { HostEdit } from "./HostEdit";
import { HostNotices } from "./HostNotices";
import classes from "./HostPage.module.css";
import { HostOverview } from "./HostOverview";
import { text } from "./text";

const InventoryTab = lazy(() => import("../../guards/inventory/InventoryTab"));
const MonitorTab = lazy(() => import("../../guards/monitor/MonitorTab"));
const FirewallTab = lazy(() => import("../../guards/firewall/FirewallTab"));

export default function HostPage() {
  const { host: name = "", tab: asked } = useParams();
  const tab: HostTab = HOST_TABS.find((known) => known === asked) ?? "overview";
  const { data: host, error, refetch } = useQuery(hostQuery(name));
  const [editing, setEditing] = useState(false);
  if (host === undefined) {
    return (
      <Page title={plain(name)} heading={<span className="mono">{plain(name)}</span>}>
        {error ? <Unreadable name={name} error={error} onRetry={() => void refetch()} /> : <BlockSkeleton height={320} />}
      </Page>
    );
  }
  const built = new Set(host.guards.filter((guard) => guard.built).map((guard) => guard.guard));
  const tabs = HOST_TABS.map((key) => ({
    key,
    title: text.tab[key],
    to: to.host(host.name, key),
    count: key === "findings" ? host.findings_open : undefined,
    off: key !== "overview" && key !== "findings" && !built.has(key),
  }));
  return (
    <Page title={host.name} heading={<span className="mono">{host.name}</span>} lead={<Lead host={host} />} actions={<HostActions host={host} onEdit={() => setEditing(true)} />}>
      {editing && <HostEdit host={host} onDone={() => setEditing(false)} />}
      <HostNotices host={host} />
      <Tabs tabs={tabs} current={tab} label={text.tabs} />
      <div className={isHeard(host.verdict.word) ? classes.tab : `${classes.tab} ${classes.stale}`}>
        <Suspense fallback={<BlockSkeleton height={320} />}>
          <TabBody host={host} tab={tab} />
        </Suspense>
      </div>
    </Page>
  );
}

function TabBody({ host, tab }: { host: HostDetail; tab: HostTab }): ReactNode {
  switch (tab) {
    case "overview":
      return <HostOverview host={host} />;
    case "findings":
      return <FindingsTable host={host.name} />;
    case "inventory":
      return <InventoryTab host={host.name} />;
    case "monitor":
      return <MonitorTab host={host.name} />;
    case "firewall":
      return <FirewallTab host={host.name} />;
    default:
      return <GuardStory guard={tab} states={host.practices.filter((practice) => practice.guard === tab)} host={host.name} />;
  }
}

function Lead({ host }: { host: HostDetail }) {
  const isolated = useIsolatedHosts().has(host.name);
  return (
    <span className={classes.lead}>
      <StateBadge state={host.state} />
      {isolated && <IsolatedBadge />}
      <VerdictNote verdict={host.verdict} />
      {host.os && <span>{host.os}</span>}
      <span className="mono">{host.address ?? host.addresses.slice(0, 2).join(" ")}</span>
      {host.uptime_s != null && (
        <span>
          {text.facts.uptime.toLowerCase()} {formatSpan(host.uptime_s)}
        </span>
      )}
      {host.region && (
        <span>
          <Untrusted>{host.region}</Untrusted>
        </span>
      )}
      <Tags tags={host.tags} />
      {host.observed_at && host.kind === "agent" && (
        <span className="meta">
          {text.since.toLowerCase()} <TimeAgo time={host.observed_at} />
        </span>
      )}
    </span>
  );
}

/** A host that is not known leads on: to the names that are near. */
function Unreadable({ name, error, onRetry }: { name: string; error: unknown; onRetry: () => void }) {
  const missing = error instanceof ApiError && error.status === 404;
  const { rows } = useList("hosts", { q: name.slice(0, 3), limit: 5 });
  return (
    <>
      <ErrorCard doing={text.doingOne(plain(name))} error={error} onRetry={onRetry} />
      {missing && rows && rows.length > 0 && (
        <Card>
          <EmptyState title={text.nearest}>
            {rows.map((host) => (
              <HostLink key={host.name} host={host.name} />
            ))}
          </EmptyState>
        </Card>
      )}
    </>
  );
}
