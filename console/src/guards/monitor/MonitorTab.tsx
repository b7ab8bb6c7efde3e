import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useSearchParams } from "react-router";
import { act, processesQuery } from "../../api/queries";
import type { ProcessSample } from "../../api/types";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { EmptyState } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { TimeRange } from "../../parts/TimeRange/TimeRange";
import { formatBytes, formatPercent, formatSpan, zoneName } from "../../words/format";
import { serverNow, useNow } from "../../words/now";
import { rangeOf, stepOf } from "../../words/range";
import { MetricChart } from "./MetricChart";
import classes from "./MonitorTab.module.css";
import { text } from "./text";

const GROUPS: Record<keyof typeof text.groups, string[]> = {
  system: ["cpu_usage_ratio", "load1"],
  memory: ["memory_used_ratio", "memory_available_bytes", "swap_used_bytes"],
  disks: ["disk_used_ratio", "disk_io_read_bytes_rate", "disk_io_write_bytes_rate"],
  network: ["network_receive_bytes_rate", "network_transmit_bytes_rate", "tcp_connections"],
  pressure: ["pressure_cpu_some_ratio", "pressure_memory_some_ratio", "pressure_io_some_ratio"],
  processes: ["processes", "open_files"],
};
const LIVE_EVERY_MS = 10_000;

/** How one host runs: its charts over one range, with a shared crosshair; 1 s samples while seen. */
export default function MonitorTab({ host }: { host: string }) {
  const [search, setSearch] = useSearchParams();
  const live = (search.get("range") ?? "1h") === "15m" && !search.has("from");
  const every_ms = live ? 2_000 : 30_000;
  useNow(every_ms);
  useLiveSamples(host, live);
  const now_s = Math.floor(serverNow() / every_ms) * (every_ms / 1000);
  const range = rangeOf(search, now_s);
  const step_s = stepOf(range, live);
  const onRange = (from_s: number, to_s: number) => {
    const next = new URLSearchParams(search);
    next.delete("range");
    next.set("from", String(from_s));
    next.set("to", String(to_s));
    setSearch(next, { preventScrollReset: true });
  };
  return (
    <>
      <div className={classes.bar}>
        <TimeRange />
        <span className="meta">
          {live ? text.live : text.coarse(formatSpan(step_s))} · {text.zone(zoneName())} · {text.gap}
        </span>
      </div>
      {Object.entries(GROUPS).map(([group, names]) => (
        <section key={group} className={classes.group}>
          <h2>{text.groups[group as keyof typeof text.groups]}</h2>
          <div className={classes.charts}>
            {names.map((name) => (
              <MetricChart
                key={name}
                host={host}
                name={name}
                from_s={range.from_s}
                to_s={range.to_s}
                step_s={step_s}
                every_ms={range.key === null ? undefined : every_ms}
                range={range.key ?? `${range.from_s}-${range.to_s}`}
                sync={`monitor ${host}`}
                onRange={onRange}
              />
            ))}
          </div>
        </section>
      ))}
      <TopProcesses host={host} every_ms={live ? 5_000 : 30_000} />
    </>
  );
}

const columns: Column<ProcessSample>[] = [
  { key: "name", title: text.process, kind: "mono", fit: true, phone: "first", cell: (row) => <Untrusted>{row.name}</Untrusted> },
  { key: "cpu", title: text.cpu, kind: "number", cell: (row) => formatPercent(row.cpu, 1) },
  { key: "rss", title: text.memory, kind: "number", cell: (row) => formatBytes(row.rss_bytes) },
  { key: "pid", title: text.pid, kind: "number", phone: "hide", cell: (row) => row.pid },
  { key: "user", title: text.user, fit: true, phone: "hide", cell: (row) => row.user ?? "–" },
  { key: "cmdline", title: text.command, kind: "mono", phone: "hide", cell: (row) => (row.cmdline ? <Untrusted>{row.cmdline}</Untrusted> : "–") },
];

function TopProcesses({ host, every_ms }: { host: string; every_ms: number }) {
  const { data, error, refetch } = useQuery(processesQuery(host, every_ms));
  return (
    <Card title={text.top} aside={<span className="meta">{text.topLead}</span>}>
      <DataTable
        bare
        label={text.top}
        columns={columns}
        rows={data?.items}
        total={data?.total ?? 0}
        idOf={(row) => `${row.pid} ${row.name}`}
        doing={text.doingTop}
        error={error}
        onRetry={() => void refetch()}
        empty={<EmptyState title={data?.reason ?? text.topEmpty} />}
      />
    </Card>
  );
}

/** Asks for a sample a second, again and again while somebody looks; the host stops by itself. */
function useLiveSamples(host: string, live: boolean): void {
  useEffect(() => {
    if (!live) return;
    const ask = () => {
      // A refusal only means that the samples stay a minute apart.
      if (!document.hidden) void act.monitorLive(host).catch(() => undefined);
    };
    ask();
    const timer = setInterval(ask, LIVE_EVERY_MS);
    return () => clearInterval(timer);
  }, [host, live]);
}
