import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type AlarmRuleSpec, type Backtest as Result, backtestQuery, type Firing, type Metric } from "../../../api/monitor";
import { seriesQuery, useList } from "../../../api/queries";
import { ActionLink } from "../../../parts/Action/Action";
import Chart from "../../../parts/Chart/Chart";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import filterClasses from "../../../parts/FilterBar/FilterBar.module.css";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { text as parts } from "../../../parts/text";
import { to } from "../../../paths";
import { formatSpan, formatUnit } from "../../../words/format";
import { serverNow } from "../../../words/now";
import { RANGES, stepOf } from "../../../words/range";
import { linesOf, surelyHolds } from "../lines";
import { calledBy } from "../called";
import { unitOf } from "../MetricChart";
import { text as words } from "../text";
import classes from "./Rules.module.css";
import { text } from "./text";

const REST_MS = 300;
const FIRINGS_SHOWN = 50;
const SINCES = ["24h", "7d", "30d"] as const;
type Since = (typeof SINCES)[number];

interface BacktestProps {
  spec: AlarmRuleSpec;
  /** False while the draft is not a rule yet. */
  complete: boolean;
  event: boolean;
  /** Which policy is drawn. */
  focus: number;
  metrics: readonly Metric[];
  onUse: (policy: number | undefined, threshold: number, recover: number | null | undefined) => void;
}

/** What the rule would have done: asked again a moment after the last key, the old answer greyed meanwhile. */
export function Backtest({ spec, complete, event, focus, metrics, onUse }: BacktestProps) {
  const [since, setSince] = useState<Since>("30d");
  // Both as one: a draft that has just become a rule must not be asked for as it was before.
  const now = JSON.stringify({ spec, complete });
  const [asked] = useDebouncedValue(now, REST_MS);
  const { spec: rule, complete: whole } = JSON.parse(asked) as { spec: AlarmRuleSpec; complete: boolean };
  const { data, error, isPlaceholderData, isFetching, refetch } = useQuery({ ...backtestQuery(rule, since), enabled: whole && !event });
  const old = isPlaceholderData || isFetching || now !== asked || !complete;
  const policy = rule.policies?.[focus] ?? rule.policies?.[0];
  const metric = policy && calledBy(metrics, policy.metric)?.metric;
  const choose = (
    <select className={filterClasses.select} aria-label={text.since} value={since} onChange={(e) => setSince(e.currentTarget.value as Since)}>
      {SINCES.map((key) => (
        <option key={key} value={key}>
          {text.sinces[key]}
        </option>
      ))}
    </select>
  );
  return (
    <Card title={text.backtest} aside={choose}>
      {event ? (
        <EmptyState title={text.noEventBacktest} />
      ) : error && !isFetching ? (
        <ErrorCard doing={text.doingBacktest} error={error} onRetry={() => void refetch()} />
      ) : data === undefined ? (
        complete ? (
          <BlockSkeleton height={280} />
        ) : (
          <EmptyState title={text.fix} />
        )
      ) : (
        <div className={classes.result} data-old={old ? "" : undefined} aria-busy={old} role="status">
          <Verdict result={data} unit={metric?.unit ?? ""} onUse={onUse} />
          {policy && <Past rule={rule} policy={focus} result={data} since={since} metric={metric} />}
        </div>
      )}
      {data && !event && data.firings.length > 0 && <Firings firings={data.firings} total={data.fired} unit={metric?.unit ?? ""} />}
    </Card>
  );
}

function Verdict({ result, unit, onUse }: { result: Result; unit: string; onUse: BacktestProps["onUse"] }) {
  return (
    <div className={classes.verdict}>
      <p>
        <strong>{result.fired === 0 ? text.quiet : text.fired(result.fired)}</strong>
        {result.shorter_than_5m > 0 && <>, {text.shorter(result.shorter_than_5m)}</>}
      </p>
      <p className="meta">
        {text.over(result.series, result.hosts)} {text.took(result.took_ms)}
      </p>
      {result.reason && <p className="meta">{result.reason}</p>}
      {result.approximate_before && (
        <p className="meta">
          {text.approximate} <TimeAgo time={stamp(result.approximate_before)} />
        </p>
      )}
      {result.suggestions.length > 0 && (
        <section aria-label={text.suggestions}>
          <h3>{text.suggestions}</h3>
          <ul className={classes.suggestions}>
            {result.suggestions.map(({ policy, threshold, recover, fired }) => (
              <li key={`${policy} ${threshold}`}>
                <span>{text.at(formatUnit(threshold, unit), fired)}</span>
                <Button aria-label={text.useOf(formatUnit(threshold, unit))} onClick={() => onUse(policy, threshold, recover)}>
                  {text.use}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

/** The value of one host with the rule's lines and the firings of that host. */
function Past({ rule, policy, result, since, metric }: { rule: AlarmRuleSpec; policy: number; result: Result; since: Since; metric: Metric | undefined }) {
  const [wanted, setWanted] = useState<string | null>(null);
  const { rows } = useList("hosts", { limit: 1_000 });
  const firing = busiest(result.firings);
  const hosts = firing.length > 0 ? firing : (rows ?? []).filter((host) => surelyHolds(rule.scope, host)).toSorted((a, b) => Number(a.kind === "agentless") - Number(b.kind === "agentless")).map((host) => host.name);
  const host = wanted !== null && hosts.includes(wanted) ? wanted : hosts[0];
  const to_s = Math.floor(serverNow() / 60_000) * 60;
  const from_s = to_s - RANGES[since];
  const step_s = stepOf({ key: since, from_s, to_s }, false);
  const name = metric?.name ?? "";
  const { data } = useQuery({ ...seriesQuery({ host: host ?? "", name, from: from_s, to: to_s, step: step_s }, `backtest ${since}`), enabled: host !== undefined && name !== "" });
  if (host === undefined || !metric) return <EmptyState title={result.reason ?? words.pickNone} />;
  if (data === undefined) return <BlockSkeleton height={280} />;
  const own = result.firings.filter((one) => one.host === host && one.policy === policy);
  return (
    <div>
      <label className={classes.chartHost}>
        <span className="meta">{text.chartOf}</span>
        <select className={filterClasses.select} value={host} onChange={(event) => setWanted(event.currentTarget.value)}>
          {hosts.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
      <Chart
        tall
        wholeLines
        title={words.titles[name] ?? name}
        unit={unitOf(name, data.unit)}
        series={data.series.map(({ labels, points, min, max }) => ({ name: Object.values(labels).join(" ") || host, colorBy: Object.values(labels).join(" ") || host, points, min, max }))}
        from_s={from_s}
        to_s={to_s}
        step_s={data.step_s ?? step_s}
        reason={data.reason}
        lines={linesOf({ policies: rule.policies?.slice(policy, policy + 1) }, name, [metric])}
        spans={own.map((one) => ({ from_s: one.from, to_s: one.to ? one.to : to_s }))}
        caption={data.series.some(({ max }) => max) ? parts.chart.rollup(formatSpan(data.step_s ?? step_s)) : undefined}
      />
    </div>
  );
}

/** The hosts that would have fired, the one that did most first. */
function busiest(firings: readonly Firing[]): string[] {
  const counts = new Map<string, number>();
  for (const { host } of firings) counts.set(host, (counts.get(host) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]).map(([host]) => host);
}

const stamp = (moment: number) => new Date(moment * 1000).toISOString();
const AROUND_S = 1_800;

function Firings({ firings, total, unit }: { firings: readonly Firing[]; total: number; unit: string }) {
  const columns: Column<Firing>[] = [
    { key: "host", title: text.firingHost, fit: true, phone: "first", cell: (row) => <HostLink host={row.host} tab="monitor" /> },
    ...(firings.some((row) => Object.keys(row.labels ?? {}).length > 0) ? [{ key: "labels", title: text.firingOf, kind: "mono" as const, fit: true, cell: (row: Firing) => <Untrusted>{Object.values(row.labels ?? {}).join(" ")}</Untrusted> }] : []),
    { key: "from", title: text.from, cell: (row) => <TimeAgo time={stamp(row.from)} dense /> },
    { key: "lasted", title: text.lasted, fit: true, cell: (row) => (row.to ? formatSpan(row.to - row.from) : text.still) },
    { key: "peak", title: text.peak, kind: "number", phone: "named", cell: (row) => formatUnit(row.peak, unit) },
    { key: "look", title: "", fit: true, cell: (row) => <ActionLink variant="subtle" to={lookAt(row)}>{text.look}</ActionLink> },
  ];
  return <DataTable bare label={text.firings} columns={columns} rows={firings.slice(0, FIRINGS_SHOWN)} total={total} idOf={(row) => `${row.host} ${row.from} ${row.policy} ${Object.values(row.labels ?? {}).join()}`} doing={text.doingBacktest} empty={null} />;
}

function lookAt({ host, from, to: until }: Firing): string {
  const from_s = Math.floor(from);
  const to_s = until ? Math.floor(until) : Math.floor(serverNow() / 1000);
  return to.host(host, "monitor", { from: String(from_s - AROUND_S), to: String(to_s + AROUND_S), at: String(from_s) });
}
