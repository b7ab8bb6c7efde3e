import { Button } from "@mantine/core";
import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import type { FindingView } from "../../api/types";
import { ActionLink } from "../../parts/Action/Action";
import { SeverityBadge } from "../../parts/Badges/Badges";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { HostLink } from "../../parts/HostLink/HostLink";
import { EmptyState } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { Segments } from "../../parts/Tabs/Tabs";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { changed } from "../../paths";
import { SEVERITIES } from "../../theme/severity";
import { formatInteger } from "../../words/format";
import { FindingDrawer } from "./FindingDrawer";
import classes from "./FindingsTable.module.css";
import { type Grouping, groupFindings } from "./group";
import { text } from "./text";

const KEYS = ["host", "practice", "check", "severity", "state"] as const;
const STATES = ["open", "planned", "mended", "accepted", "unknown"] as const;
const CHOICES = [
  { key: "severity", options: SEVERITIES },
  { key: "state", options: STATES },
];

/** The findings of one host or of all, with their filter, grouping and drawer. */
export function FindingsTable({ host }: { host?: string }) {
  const [search] = useSearchParams();
  const { filters } = useFilters(KEYS);
  const list = useList("findings", { ...filters, ...(host ? { host } : {}), sort: search.get("sort") ?? undefined });
  const grouping = (search.get("group") ?? (host ? "flat" : "check")) as Grouping | "flat";
  const filtered = Object.keys(filters).length > 0;
  const columns = columnsFor(host === undefined, grouping);
  const table = (rows: FindingView[] | undefined, label: string, bare: boolean) => (
    <DataTable
      {...listProps(list)}
      {...(bare ? { more: null, total: rows?.length ?? 0 } : {})}
      key={label}
      label={label}
      columns={columns}
      rows={rows}
      bare={bare}
      plain={bare}
      idOf={(finding) => finding.id}
      doing={text.doing}
      linkOf={(finding) => changed(search, { show: finding.id })}
      selected={search.get("show")}
      isDead={(finding) => finding.state === "mended" || finding.state === "accepted"}
      command={`palisade finding list${host ? ` --host ${host}` : ""} --output json`}
      empty={<Empty filtered={filtered} checksRun={list.first?.checks_run ?? 0} search={search} />}
    />
  );
  const rows = list.rows;
  return (
    <>
      <FilterBar keys={host ? KEYS.filter((key) => key !== "host") : KEYS} choices={CHOICES}>
        <Segments
          label={text.groupLabel}
          current={grouping}
          options={(host ? (["flat", "check"] as const) : (["check", "host", "flat"] as const)).map((key) => ({ key, title: text.group[key], to: changed(search, { group: key }) }))}
        />
      </FilterBar>
      {list.first && (
        <p className="meta">
          {text.ran(list.first.checks_run, list.first.checks_unknown)} · {text.observed} <TimeAgo time={list.first.observed_at} />
        </p>
      )}
      {grouping === "flat" || rows === undefined || rows.length === 0 ? (
        table(rows, text.findings, false)
      ) : (
        <div className={classes.groups}>
          {groupFindings(rows, grouping).map((group) => (
            <Card key={group.key} label={group.title}>
              <div className={classes.group}>
                <SeverityBadge severity={group.worst} />
                <h2>{grouping === "host" ? <HostLink host={group.key} tab="findings" /> : group.title}</h2>
                <span className="meta" style={{ marginInlineStart: "auto", whiteSpace: "nowrap" }}>
                  {grouping === "check" ? words.hosts(group.hosts) : text.objects(group.rows.length)}
                </span>
              </div>
              {table(group.rows, group.title, true)}
            </Card>
          ))}
          {list.next && <MoreRows shown={rows.length} total={list.total} onMore={list.next} loading={list.readingNext} />}
        </div>
      )}
      <FindingDrawer />
    </>
  );
}

function MoreRows({ shown, total, onMore, loading }: { shown: number; total: number; onMore: () => void; loading: boolean }) {
  return (
    <p className="meta">
      {words.table.shown(shown, formatInteger(total))}{" "}
      <Button variant="subtle" loading={loading} onClick={onMore}>
        {words.table.more}
      </Button>
    </p>
  );
}

function columnsFor(withHost: boolean, grouping: Grouping | "flat"): Column<FindingView>[] {
  const columns: (Column<FindingView> | false)[] = [
    grouping !== "check" && { key: "severity", title: text.severity, fit: true, width: grouping === "host" ? 130 : undefined, sortable: grouping === "flat", phone: "lead", cell: (f) => <SeverityBadge severity={f.severity} /> },
    withHost && grouping === "check" && { key: "host", title: text.host, fit: true, width: 160, phone: "lead", cell: (f) => <HostLink host={f.host} tab="findings" /> },
    {
      key: "title",
      title: text.title,
      phone: "first",
      cell: (f) => (
        <>
          {grouping !== "check" && <span className={f.state === "mended" ? classes.mended : undefined}>{f.title} </span>}
          <span className="meta mono">
            <Untrusted>{f.object}</Untrusted>
          </span>
        </>
      ),
    },
    withHost && grouping === "flat" && { key: "host", title: text.host, fit: true, sortable: true, cell: (f) => <HostLink host={f.host} tab="findings" /> },
    grouping !== "check" && { key: "practice", title: text.practice, fit: true, from: "middle", phone: "hide", cell: (f) => <span className="meta">{f.practice}</span> },
    { key: "first_seen", title: text.first, fit: true, sortable: grouping === "flat", phone: "hide", cell: (f) => <TimeAgo time={f.first_seen} dense /> },
    { key: "state", title: text.state, fit: true, cell: (f) => <span className="meta">{words.findingState[f.state]}</span> },
  ];
  return columns.filter((column) => column !== false);
}

function Empty({ filtered, checksRun, search }: { filtered: boolean; checksRun: number; search: URLSearchParams }) {
  if (filtered) {
    const all = changed(search, Object.fromEntries([...KEYS, "q"].map((key) => [key, null])));
    return <EmptyState title={text.emptyFiltered} action={<ActionLink to={all}>{text.noFilter}</ActionLink>} />;
  }
  if (checksRun === 0) return <EmptyState title={text.emptyNever}>{text.emptyNeverLead}</EmptyState>;
  return <EmptyState title={text.empty(checksRun)} />;
}
