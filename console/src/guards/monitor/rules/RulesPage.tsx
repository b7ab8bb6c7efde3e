import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { useSearchParams } from "react-router";
import { type Metric, metricsQuery, monitorAct, type RuleView } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { SeverityBadge } from "../../../parts/Badges/Badges";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { toast } from "../../../parts/Toasts/Toasts";
import { changed, to } from "../../../paths";
import { sayPolicy } from "../alarms/say";
import { unitCalled } from "../called";
import { MonitorTabs } from "../MonitorTabs";
import { text as words } from "../text";
import { sayScope } from "./draft";
import classes from "./Rules.module.css";
import { text } from "./text";

const RuleEditor = lazy(() => import("./RuleEditor"));

/** What is watched, and how many series each rule finds well, firing or without data. */
export default function RulesPage() {
  const [search] = useSearchParams();
  const can = useCan("operator");
  if (search.get("show") === "add") {
    return (
      <Page key="new" title={text.newRule}>
        <Suspense fallback={<BlockSkeleton height={320} />}>
          <RuleEditor />
        </Suspense>
      </Page>
    );
  }
  return (
    <Page key="list" title={text.rules} actions={can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={can}>{text.add}</Action>}>
      <MonitorTabs current="rules" />
      <RuleList can={can} />
    </Page>
  );
}

function RuleList({ can }: { can: true | string }) {
  const { filters } = useFilters([]);
  const list = useList("monitor/rules", { ...filters, limit: 1_000 }, 30_000);
  const metrics = useQuery(metricsQuery).data?.items ?? [];
  const columns: Column<RuleView>[] = [
    { key: "severity", title: text.severity, fit: true, phone: "lead", cell: ({ spec }) => <SeverityBadge severity={spec.severity ?? "high"} /> },
    { key: "name", title: text.name, fit: true, phone: "first", cell: (rule) => rule.name },
    { key: "says", title: text.says, cell: (rule) => <Says rule={rule} metrics={metrics} /> },
    { key: "scope", title: text.scope, fit: true, from: "middle", cell: ({ spec }) => <Untrusted>{sayScope(spec.scope)}</Untrusted> },
    { key: "counts", title: text.counts, fit: true, phone: "named", cell: (rule) => <Counts rule={rule} /> },
    { key: "evaluated", title: text.evaluated, fit: true, from: "wide", phone: "hide", cell: (rule) => <TimeAgo time={rule.evaluated_at} dense /> },
  ];
  return (
    <>
      {list.rows && !filters.q && <Basics rules={list.rows} can={can} />}
      <FilterBar keys={[]} />
      <DataTable
        {...listProps(list)}
        label={text.rules}
        columns={columns}
        idOf={(rule) => rule.name}
        doing={text.doing}
        linkOf={(rule) => to.rule(rule.name)}
        isDead={(rule) => rule.spec.enabled === false}
        command="palisade get AlarmRule -o json"
        empty={<EmptyState title={filters.q ? text.emptyFiltered : (list.first?.reason ?? text.empty)}>{filters.q ? null : text.basicsLead}</EmptyState>}
      />
    </>
  );
}

/** The one-click set: on where any of its rules is in force. */
function Basics({ rules, can }: { rules: RuleView[]; can: true | string }) {
  const client = useQueryClient();
  const own = rules.filter((rule) => rule.source === "builtin" && rule.spec.enabled !== false);
  const on = own.length > 0;
  const turn = useMutation({
    mutationFn: () => monitorAct.basics(!on),
    onSuccess: async () => {
      toast(on ? text.basicsDone.off : text.basicsDone.on);
      await client.invalidateQueries();
    },
  });
  return (
    <Card padded label={text.basics}>
      <div className={classes.basics}>
        <div>
          <h2>{text.basics}</h2>
          <p className="meta">{text.basicsLead}</p>
        </div>
        {can === true ? (
          <Button variant={on ? "default" : "filled"} loading={turn.isPending} onClick={() => turn.mutate()}>
            {on ? text.basicsOff : text.basicsOn}
          </Button>
        ) : (
          <Action can={can}>{on ? text.basicsOff : text.basicsOn}</Action>
        )}
      </div>
      {turn.error && <ErrorCard doing={text.doingBasics} error={turn.error} />}
    </Card>
  );
}

function Says({ rule: { spec, source }, metrics }: { rule: RuleView; metrics: readonly Metric[] }) {
  const [first, ...others] = spec.policies ?? [];
  const unit = first ? unitCalled(metrics, first.metric) : "";
  const sentence = spec.event ? (spec.event.kind ? text.event(spec.event.kind) : text.finding) : first ? sayPolicy(first, words.titles[first.metric] ?? first.metric, unit) : spec.template ? text.template(spec.template) : "–";
  return (
    <>
      <Untrusted>{sentence}</Untrusted>
      {others.length > 0 && <span className="meta"> {text.more(others.length)}</span>}
      {source === "builtin" && <span className="meta"> · {text.builtin}</span>}
      {spec.description && (
        <span className={`meta ${classes.why}`}>
          <Untrusted>{spec.description}</Untrusted>
        </span>
      )}
    </>
  );
}

function Counts({ rule }: { rule: RuleView }) {
  if (rule.spec.enabled === false) return <span className="meta">{text.off}</span>;
  return (
    <span className={classes.counts}>
      {rule.firing > 0 && <b style={{ color: "var(--bad)" }}>{text.firing(rule.firing)}</b>}
      {rule.pending > 0 && <span>{text.pending(rule.pending)}</span>}
      {rule.no_data > 0 && <span>{text.noData(rule.no_data)}</span>}
      <span className="meta">{text.ok(rule.ok)}</span>
    </span>
  );
}
