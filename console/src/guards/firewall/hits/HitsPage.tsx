import { Link, useSearchParams } from "react-router";
import type { Hit } from "../../../api/firewall";
import { useList } from "../../../api/queries";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { Segments } from "../../../parts/Tabs/Tabs";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed, to } from "../../../paths";
import { formatBytes, formatInteger } from "../../../words/format";
import { FirewallTabs } from "../FirewallTabs";
import { DENIED_KEYS, DeniedTable } from "./DeniedTable";
import { text } from "./text";

type View = keyof typeof text.views;
const KEYS = ["host", "group"] as const;
const VIEWS = Object.keys(text.views) as View[];

/** Rules by use, rules without any, and the packets that were denied. */
export default function HitsPage() {
  const [search] = useSearchParams();
  const view = VIEWS.find((one) => one === search.get("view")) ?? "used";
  return (
    <Page title={text.hits} lead={text.lead}>
      <FirewallTabs current="hits" />
      <FilterBar key={view} keys={view === "denied" ? DENIED_KEYS : KEYS}>
        <Segments label={text.view} current={view} options={VIEWS.map((key) => ({ key, title: text.views[key], to: changed(search, { view: key === "used" ? null : key, sort: null }) }))} />
      </FilterBar>
      {view === "denied" ? <DeniedTable /> : <HitTable unused={view === "unused"} />}
    </Page>
  );
}

function HitTable({ unused }: { unused: boolean }) {
  const [search] = useSearchParams();
  const { filters } = useFilters(KEYS);
  const list = useList("firewall/hits", { ...filters, sort: search.get("sort") ?? undefined, ...(unused ? { unused: "true" } : {}) });
  return (
    <DataTable
      label={unused ? text.views.unused : text.hits}
      columns={columns}
      {...listProps(list)}
      idOf={(row) => row.id}
      doing={text.doingHits}
      command={`palisade firewall hits${unused ? " --unused" : ""} --output json`}
      empty={
        Object.keys(filters).length > 0 ? (
          <EmptyState title={text.emptyFiltered} />
        ) : unused ? (
          <EmptyState title={text.emptyUnused} />
        ) : (
          <EmptyState title={list.first?.reason ?? text.emptyHits}>{list.first?.reason ? null : text.emptyHitsLead}</EmptyState>
        )
      }
    />
  );
}

const columns: Column<Hit>[] = [
  { key: "id", title: text.rule, kind: "mono", phone: "first", cell: (row) => (row.group ? <Link to={to.group(row.group)}>{row.id}</Link> : row.id) },
  { key: "layer", title: text.layer, fit: true, from: "middle", cell: (row) => text.layers[row.layer] },
  { key: "hosts", title: text.hosts, kind: "number", phone: "hide", cell: (row) => formatInteger(row.hosts) },
  { key: "packets_24h", title: text.day, kind: "number", sortable: true, phone: "named", cell: (row) => formatInteger(row.packets_24h) },
  { key: "packets", title: text.packets, kind: "number", sortable: true, phone: "hide", cell: (row) => formatInteger(row.packets) },
  { key: "bytes", title: text.bytes, kind: "number", from: "wide", phone: "hide", cell: (row) => formatBytes(row.bytes) },
  { key: "last_hit_at", title: text.last, fit: true, sortable: true, cell: (row) => (row.last_hit_at ? <TimeAgo time={row.last_hit_at} dense /> : <span className="meta">{text.never}</span>) },
  { key: "since", title: text.since, fit: true, from: "middle", phone: "hide", cell: (row) => <TimeAgo time={row.since} dense /> },
];
