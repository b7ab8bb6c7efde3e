import { Link, useSearchParams } from "react-router";
import type { Denied } from "../../../api/firewall";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { useFilters } from "../../../parts/FilterBar/FilterBar";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { EmptyState } from "../../../parts/Notice/Notice";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { to } from "../../../paths";
import { formatInteger } from "../../../words/format";
import { text } from "./text";

export const DENIED_KEYS = ["host"] as const;

/** What was denied, by source and rule, with the way to shut the source out. */
export function DeniedTable() {
  const [search] = useSearchParams();
  const { filters } = useFilters(DENIED_KEYS);
  const list = useList("firewall/denied", { ...filters, sort: search.get("sort") ?? undefined });
  return (
    <DataTable
      label={text.views.denied}
      columns={columns}
      {...listProps(list)}
      idOf={(row) => `${row.host} ${row.rule} ${row.source} ${row.protocol} ${row.port} ${row.direction}`}
      doing={text.doingDenied}
      command="palisade firewall denied --output json"
      empty={Object.keys(filters).length > 0 ? <EmptyState title={text.emptyFiltered} /> : <EmptyState title={list.first?.reason ?? text.emptyDenied}>{text.emptyDeniedLead}</EmptyState>}
    />
  );
}

const columns: Column<Denied>[] = [
  { key: "source", title: text.source, kind: "mono", fit: true, phone: "first", cell: (row) => row.source },
  { key: "host", title: text.host, fit: true, cell: (row) => <HostLink host={row.host} tab="firewall" /> },
  { key: "port", title: text.port, kind: "mono", fit: true, cell: (row) => `${row.protocol}${row.port == null ? "" : `/${row.port}`}` },
  { key: "direction", title: text.direction, fit: true, from: "middle", phone: "hide", cell: (row) => text.directions[row.direction] },
  { key: "rule", title: text.rule, kind: "mono", from: "middle", phone: "hide", cell: (row) => (row.group ? <Link to={to.group(row.group)}>{row.rule}</Link> : row.rule) },
  { key: "packets", title: text.packets, kind: "number", sortable: true, phone: "named", cell: (row) => formatInteger(row.packets) },
  { key: "first_at", title: text.first, fit: true, from: "wide", phone: "hide", cell: (row) => <TimeAgo time={row.first_at} dense /> },
  { key: "last_at", title: text.lastSeen, fit: true, sortable: true, cell: (row) => <TimeAgo time={row.last_at} dense /> },
  {
    key: "ban",
    title: "",
    fit: true,
    cell: (row) =>
      row.can.ban === true ? (
        <ActionLink variant="subtle" to={to.bans({ show: "add", address: row.source })} aria-label={text.banOf(row.source)}>
          {text.ban}
        </ActionLink>
      ) : (
        <Action variant="subtle" can={row.can.ban} aria-label={text.banOf(row.source)}>
          {text.ban}
        </Action>
      ),
  },
];
