import { lazy, Suspense, useState } from "react";
import { useSearchParams } from "react-router";
import { useList } from "../../../api/queries";
import type { AlarmView } from "../../../api/monitor";
import { ActionLink } from "../../../parts/Action/Action";
import { SeverityBadge } from "../../../parts/Badges/Badges";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed, to } from "../../../paths";
import { SEVERITIES } from "../../../theme/severity";
import { MonitorTabs } from "../MonitorTabs";
import { AlarmBadges } from "./AlarmBadge";
import { sayCondition, sayValue, toldOf } from "./say";
import { text } from "./text";

const AlarmDrawer = lazy(() => import("./AlarmDrawer"));

const KEYS = ["severity", "state", "host", "rule"] as const;
const CHOICES = [
  { key: "state", options: Object.keys(text.stateChoices), words: text.stateChoices, none: text.active },
  { key: "severity", options: SEVERITIES },
];

const columns: Column<AlarmView>[] = [
  { key: "severity", title: text.severity, fit: true, phone: "lead", cell: (alarm) => <SeverityBadge severity={alarm.severity} /> },
  { key: "state", title: text.state, fit: true, phone: "lead", cell: (alarm) => <AlarmBadges alarm={alarm} /> },
  { key: "rule", title: text.what, phone: "first", cell: (alarm) => <What alarm={alarm} /> },
  { key: "host", title: text.host, fit: true, cell: (alarm) => (alarm.host ? <HostLink host={alarm.host} tab="monitor" /> : <span className="meta">{text.server}</span>) },
  { key: "value", title: text.value, kind: "number", cell: sayValue },
  { key: "since", title: text.since, fit: true, cell: (alarm) => <TimeAgo time={alarm.since} dense /> },
  { key: "cause", title: text.cause, from: "middle", phone: "named", cell: (alarm) => (alarm.cause ? <Untrusted>{alarm.cause.sentence}</Untrusted> : <span className="meta">–</span>) },
  { key: "told", title: text.told, fit: true, from: "wide", phone: "named", cell: (alarm) => <TellsWhom alarm={alarm} /> },
];

/** What fires, what caused it, and who knows. */
export default function AlarmsPage() {
  const [search] = useSearchParams();
  const { filters } = useFilters(KEYS);
  const list = useList("monitor/alarms", filters, 30_000);
  const shown = search.get("show");
  // Stays once it was opened, so that closing gives the focus back.
  const [wanted, setWanted] = useState(shown !== null);
  if (shown !== null && !wanted) setWanted(true);
  return (
    <Page title={text.alarms}>
      <MonitorTabs current="alarms" />
      <FilterBar keys={KEYS} choices={CHOICES} />
      <DataTable
        {...listProps(list)}
        label={text.alarms}
        columns={columns}
        idOf={(alarm) => alarm.id}
        doing={text.doing}
        linkOf={(alarm) => changed(search, { show: alarm.id })}
        selected={shown}
        isDead={(alarm) => alarm.state === "resolved" || alarm.state === "expired"}
        command="palisade monitor alarm list --output json"
        empty={<Empty filtered={Object.keys(filters).length > 0} search={search} />}
      />
      <Suspense>{wanted && <AlarmDrawer id={shown} row={list.rows?.find((alarm) => alarm.id === shown)} />}</Suspense>
    </Page>
  );
}

function What({ alarm }: { alarm: AlarmView }) {
  const condition = sayCondition(alarm);
  const labels = Object.values(alarm.labels ?? {});
  return (
    <>
      {alarm.rule}{" "}
      {labels.length > 0 && (
        <span className="mono">
          <Untrusted>{labels.join(" ")}</Untrusted>{" "}
        </span>
      )}
      <span className="meta">{condition ?? <Untrusted>{alarm.sentence}</Untrusted>}</span>
    </>
  );
}

function TellsWhom({ alarm }: { alarm: AlarmView }) {
  const { ok, failed } = toldOf(alarm.notified);
  if (ok.length + failed.length === 0) return <span className="meta">{text.toldNone}</span>;
  return (
    <>
      {ok.length > 0 && text.toldOk(ok.join(", "))}
      {ok.length > 0 && failed.length > 0 && "; "}
      {failed.length > 0 && <span style={{ color: "var(--bad)", fontWeight: 500 }}>{text.toldFailed(failed.join(", "))}</span>}
    </>
  );
}

/** Why there is nothing: a filter, no rules, or really nothing. */
function Empty({ filtered, search }: { filtered: boolean; search: URLSearchParams }) {
  const { rows: rules } = useList("monitor/rules", { limit: 1_000 });
  const all = changed(search, { state: "all" });
  if (filtered) return <EmptyState title={text.emptyFiltered} action={<ActionLink to={to.alarms()}>{text.noFilter}</ActionLink>} />;
  if (rules?.length === 0) {
    return (
      <EmptyState title={text.emptyNoRules} action={<ActionLink to={to.rules()}>{text.toRules}</ActionLink>}>
        {text.emptyNoRulesLead}
      </EmptyState>
    );
  }
  const enabled = (rules ?? []).filter(({ spec }) => spec.enabled !== false);
  const evaluated = enabled.map((rule) => rule.evaluated_at ?? "").reduce((a, b) => (a > b ? a : b), "");
  const series = enabled.reduce((sum, rule) => sum + rule.ok + rule.pending, 0);
  return (
    <EmptyState title={text.empty} action={<ActionLink to={all}>{text.showAll}</ActionLink>}>
      {rules && (
        <span>
          {text.emptyFacts(enabled.length, series)} {evaluated !== "" && <TimeAgo time={evaluated} />}
        </span>
      )}
    </EmptyState>
  );
}
