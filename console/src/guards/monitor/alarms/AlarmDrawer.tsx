import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { type AlarmDetail, type AlarmView, alarmQuery, metricsQuery, type CauseProcess, type Notified } from "../../../api/monitor";
import { ActionLink } from "../../../parts/Action/Action";
import { SeverityBadge } from "../../../parts/Badges/Badges";
import Chart from "../../../parts/Chart/Chart";
import type { Line } from "../../../parts/Chart/marks";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { useOpened } from "../../../parts/Late/useOpened";
import { BlockSkeleton, ErrorCard, StaleNote } from "../../../parts/Notice/Notice";
import { Facts } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../../parts/text";
import { changed, to } from "../../../paths";
import { plain } from "../../../words/escape";
import { formatBytes, formatPercent, formatSpan, formatUnit } from "../../../words/format";
import { Where } from "../ProcessPanel";
import { unitOf } from "../MetricChart";
import { AlarmActions } from "./AlarmActions";
import { AlarmBadges, AlarmStateBadge } from "./AlarmBadge";
import classes from "./Alarms.module.css";
import { sayCondition, sayValue } from "./say";
import { text } from "./text";

/** `?show=ID`: one alarm with its cause, the minutes around it, and who was told. */
export default function AlarmDrawer({ id, row }: { id: string | null; row?: AlarmView }) {
  const [search, setSearch] = useSearchParams();
  // One that is pending has no history yet: its row is all there is.
  const query = useQuery({ ...alarmQuery(id ?? ""), enabled: id !== null && row?.state !== "pending" });
  const { error, refetch } = query;
  const data: AlarmDetail | undefined = query.data ?? row;
  return (
    <Drawer
      opened={useOpened(id !== null)}
      onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
      position="right"
      size={640}
      title={data ? plain(data.rule) : text.alarms}
      closeButtonProps={{ "aria-label": words.close }}
    >
      {error && data === undefined ? <ErrorCard doing={text.doingOne} error={error} onRetry={() => void refetch()} /> : data === undefined ? <BlockSkeleton height={320} /> : <Detail alarm={data} />}
    </Drawer>
  );
}

/** How much stands around the firing when its charts are opened. */
const AROUND_S = 1_800;

function Detail({ alarm }: { alarm: AlarmDetail }) {
  const fired_s = Math.floor(Date.parse(alarm.fired_at ?? alarm.since) / 1000);
  return (
    <div className={classes.detail}>
      <div className={classes.badges}>
        <SeverityBadge severity={alarm.severity} tinted />
        <AlarmBadges alarm={alarm} tinted />
      </div>
      <p className={classes.sentence}>
        <Untrusted>{alarm.sentence}</Untrusted>
      </p>
      {alarm.stale && <StaleNote>{text.stale}</StaleNote>}
      <AlarmActions alarm={alarm} />
      <section>
        <h2>{text.why}</h2>
        <p>{alarm.cause ? <Untrusted>{alarm.cause.sentence}</Untrusted> : <span className="meta">{text.noCause}</span>}</p>
        {alarm.cause && alarm.cause.processes.length > 0 && (
          <div className={classes.box}>
            <DataTable bare label={text.processes} columns={processColumns} rows={alarm.cause.processes} total={alarm.cause.processes.length} idOf={(row) => `${row.pid} ${row.name} ${row.first_at}`} doing={text.doingOne} empty={null} />
          </div>
        )}
      </section>
      {alarm.ring && <Ring alarm={alarm} ring={alarm.ring} />}
      <section>
        <h2>{text.notified}</h2>
        <div className={classes.box}>
          <DataTable bare label={text.notified} plain columns={toldColumns} rows={alarm.notified ?? []} total={alarm.notified?.length ?? 0} idOf={(row) => `${row.channel} ${row.at}`} doing={text.doingOne} empty={<p className={classes.none}>{text.toldNone}</p>} />
        </div>
      </section>
      {alarm.history && alarm.history.length > 0 && (
        <section>
          <h2>{text.history}</h2>
          <ol className={classes.history}>
            {alarm.history.map((step, i) => (
              <li key={i}>
                <AlarmStateBadge state={step.state} />
                <span className="meta">
                  <TimeAgo time={step.at} />
                </span>
                <span className="num">{step.value === null || step.value === undefined ? "" : formatUnit(step.value, alarm.unit ?? "")}</span>
              </li>
            ))}
          </ol>
        </section>
      )}
      <Facts
        pairs={[
          [text.facts.host, alarm.host ? <HostLink host={alarm.host} tab="monitor" /> : text.server],
          [text.facts.labels, labelsOf(alarm)],
          [text.facts.value, sayValue(alarm)],
          [text.facts.condition, sayCondition(alarm)],
          [text.facts.since, <TimeAgo time={alarm.since} />],
          [text.facts.fired, alarm.fired_at ? <TimeAgo time={alarm.fired_at} /> : null],
          [text.facts.resolved, alarm.resolved_at ? <TimeAgo time={alarm.resolved_at} /> : null],
          [text.facts.acknowledged, alarm.acknowledged ? <Untrusted>{`${alarm.acknowledged.by}${alarm.acknowledged.note ? `: ${alarm.acknowledged.note}` : ""}`}</Untrusted> : null],
          [text.facts.silenced, alarm.silenced ? <TimeAgo time={alarm.silenced.until} /> : null],
          [text.facts.id, <span className="mono">{alarm.id}</span>],
        ]}
      />
      <div className={classes.badges}>
        <ActionLink to={to.rule(alarm.rule)}>{text.openRule}</ActionLink>
        {alarm.host && <ActionLink to={to.host(alarm.host, "monitor", { from: String(fired_s - AROUND_S), to: String(fired_s + AROUND_S), at: String(fired_s) })}>{text.openCharts}</ActionLink>}
      </div>
    </div>
  );
}

function labelsOf({ labels }: AlarmDetail) {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  if (pairs.length === 0) return null;
  return (
    <span className="mono">
      <Untrusted>{pairs.join(" ")}</Untrusted>
    </span>
  );
}

const processColumns: Column<CauseProcess>[] = [
  { key: "name", title: text.process, kind: "mono", phone: "first", cell: (row) => <Untrusted>{`${row.name} (${row.pid})`}</Untrusted> },
  { key: "unit", title: text.unit, kind: "mono", fit: true, cell: (row) => (row.unit || row.container ? <Where of={row} /> : "") },
  { key: "cpu", title: text.cpu, kind: "number", phone: "named", cell: (row) => formatPercent(row.cpu_max ?? row.cpu) },
  { key: "rss", title: text.memory, kind: "number", phone: "named", cell: (row) => formatBytes(row.rss_bytes_max ?? row.rss_bytes) },
  { key: "ended", title: "", fit: true, cell: (row) => (row.ended ? <span className="meta">{text.ended}</span> : "") },
];

const toldColumns: Column<Notified>[] = [
  { key: "channel", title: text.channel, phone: "first", fit: true, cell: (row) => row.channel },
  { key: "at", title: text.when, fit: true, cell: (row) => <TimeAgo time={row.at} dense /> },
  { key: "ok", title: text.outcome, cell: (row) => (row.ok ? text.arrived : <span style={{ color: "var(--bad)" }}>{text.failed}{row.error && <>: <Untrusted>{row.error}</Untrusted></>}</span>) },
];

/** The fine samples that the host kept around the firing. */
function Ring({ alarm, ring }: { alarm: AlarmDetail; ring: NonNullable<AlarmDetail["ring"]> }) {
  const { data } = useQuery(metricsQuery);
  const from_s = Math.floor(ring.from);
  const steps = Math.max(0, ...Object.values(ring.metrics).map((values) => values.length));
  const known = (key: string) => data?.items.find((metric) => metric.name === key.replace(/\{.*$/, ""));
  const own = Object.entries(ring.metrics).filter(([key]) => alarm.metric && key.replace(/\{.*$/, "") === alarm.metric);
  const charts = own.length > 0 ? own : Object.entries(ring.metrics).slice(0, 2);
  const fired_s = Math.floor(Date.parse(alarm.fired_at ?? alarm.since) / 1000);
  const lines: Line[] = alarm.threshold !== null && alarm.threshold !== undefined && alarm.operator !== "rise" && alarm.operator !== "fall" ? [{ kind: "threshold", value: alarm.threshold }] : [];
  return (
    <section>
      <h2>{text.ring}</h2>
      {charts.map(([key, values]) => (
        <Chart
          key={key}
          title={key}
          unit={unitOf(key, known(key)?.unit ?? alarm.unit ?? "")}
          series={[{ name: key, colorBy: alarm.host ?? key, points: values.map((value, i) => [from_s + i * ring.step_s, value]) }]}
          from_s={from_s}
          to_s={from_s + steps * ring.step_s}
          step_s={ring.step_s}
          lines={own.length > 0 ? lines : []}
          wholeLines
          marks={[{ at_s: fired_s, kind: "alarm", label: text.states.firing }]}
          caption={text.ringStep(formatSpan(ring.step_s))}
        />
      ))}
    </section>
  );
}
