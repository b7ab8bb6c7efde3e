import { ActionIcon, Button } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { type MonitorProcess, type ProcessesAt, processesAtQuery } from "../../api/monitor";
import { processesQuery } from "../../api/queries";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { EmptyState } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { Segments } from "../../parts/Tabs/Tabs";
import { changed } from "../../paths";
import { formatAbsolute, formatBytes, formatInteger, formatPercent } from "../../words/format";
import classes from "./Monitor.module.css";
import { type Rank, RANKS, ranked } from "./rank";
import { text } from "./text";
import type { Times } from "./times";

const LIVE_MS = 5_000;
const MINUTE_S = 60;

/** The processes that stand out, now or in the minute that was chosen on a chart. */
export function ProcessPanel({ host, times }: { host: string; times: Times }) {
  const { at_s, setAt } = times;
  const [search] = useSearchParams();
  const rank = RANKS.find((known) => known === search.get("by")) ?? "cpu";
  const now = useQuery({ ...processesQuery(host, times.live ? LIVE_MS : 30_000), enabled: at_s === null });
  const then = useQuery({ ...processesAtQuery(host, at_s ?? 0), enabled: at_s !== null });
  const { data, error, refetch } = at_s === null ? now : then;
  const rows = data === undefined ? undefined : ranked(data.items as MonitorProcess[], rank);
  const title = at_s === null ? text.top : text.topAt(formatAbsolute(Math.floor(at_s / MINUTE_S) * MINUTE_S * 1000));
  return (
    <Card title={title} label={text.topLabel} aside={at_s === null ? <span className="meta">{text.topLead}</span> : undefined}>
      <div className={classes.bar} style={{ padding: "8px 16px" }}>
        <Segments label={text.sortBy} current={rank} options={RANKS.map((key) => ({ key, title: text.ranks[key], to: changed(search, { by: key }) }))} />
        <span className={classes.moves}>
          <Step label={text.minuteBack} onClick={() => setAt((at_s ?? times.to_s) - MINUTE_S)} back />
          <Step label={text.minuteForth} onClick={() => at_s !== null && setAt(at_s + MINUTE_S)} disabled={at_s === null} />
          {at_s !== null && (
            <Button variant="subtle" onClick={() => setAt(null)}>
              {text.toNow}
            </Button>
          )}
        </span>
      </div>
      <DataTable
        bare
        plain={false}
        label={text.topLabel}
        columns={columnsBy(rank)}
        rows={rows}
        total={data?.total ?? 0}
        identity={`${at_s ?? "now"} ${rank}`}
        refreshing={then.isPlaceholderData && at_s !== null}
        idOf={(row) => `${row.pid} ${row.name}`}
        doing={text.doingTop}
        error={error}
        onRetry={() => void refetch()}
        command={`palisade monitor top ${host}${at_s === null ? "" : ` --at ${new Date(at_s * 1000).toISOString()}`} --by ${rank} --output json`}
        empty={<EmptyState title={(data as ProcessesAt | undefined)?.reason ?? (at_s === null ? text.topEmpty : text.topEmptyThen)} />}
      />
    </Card>
  );
}

function Step({ label, onClick, disabled, back }: { label: string; onClick: () => void; disabled?: boolean; back?: boolean }) {
  const Glyph = back ? IconChevronLeft : IconChevronRight;
  return (
    <ActionIcon variant="default" size="var(--control-height)" aria-label={label} title={label} onClick={onClick} disabled={disabled}>
      <Glyph size={16} stroke={1.5} />
    </ActionIcon>
  );
}

const name: Column<MonitorProcess> = { key: "name", title: text.process, kind: "mono", fit: true, phone: "first", cell: (row) => <Untrusted>{row.name}</Untrusted> };
const amounts: Record<Rank, Column<MonitorProcess>> = {
  cpu: { key: "cpu", title: text.cpu, kind: "number", phone: "named", cell: (row) => formatPercent(row.cpu, 1) },
  memory: { key: "rss", title: text.memory, kind: "number", phone: "named", cell: (row) => formatBytes(row.rss_bytes) },
  io: { key: "io", title: text.io, kind: "number", phone: "named", cell: (row) => (row.io_bytes_rate === null || row.io_bytes_rate === undefined ? "–" : `${formatBytes(row.io_bytes_rate)}/s`) },
};
const rest: Column<MonitorProcess>[] = [
  { key: "unit", title: text.unit, kind: "mono", fit: true, phone: "named", cell: (row) => <Where of={row} /> },
  { key: "pid", title: text.pid, kind: "number", phone: "hide", cell: (row) => row.pid },
  { key: "user", title: text.user, fit: true, from: "middle", phone: "hide", cell: (row) => (row.user ? <Untrusted>{row.user}</Untrusted> : "–") },
  { key: "threads", title: text.threads, kind: "number", from: "widest", phone: "hide", cell: (row) => formatInteger(row.threads) },
  { key: "files", title: text.files, kind: "number", from: "widest", phone: "hide", cell: (row) => formatInteger(row.open_files) },
  { key: "cmdline", title: text.command, kind: "mono", from: "wide", phone: "hide", cell: (row) => (row.cmdline ? <Untrusted>{row.cmdline}</Untrusted> : "–") },
];

/** The amount that is sorted by stands first among the amounts. */
function columnsBy(rank: Rank): Column<MonitorProcess>[] {
  return [name, amounts[rank], ...RANKS.filter((key) => key !== rank).map((key) => amounts[key]), ...rest];
}

/** The unit or the container that a process belongs to. */
export function Where({ of: { unit, container } }: { of: Pick<MonitorProcess, "unit" | "container"> }) {
  if (!unit && !container) return <span className="meta">–</span>;
  return (
    <>
      {container && <Untrusted>{text.container(container)}</Untrusted>}
      {container && unit && " "}
      {unit && (
        <span className={container ? "meta" : undefined}>
          <Untrusted>{unit}</Untrusted>
        </span>
      )}
    </>
  );
}
