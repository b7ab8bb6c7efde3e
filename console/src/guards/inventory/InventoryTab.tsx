import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import type { InventoryKind } from "../../api/types";
import { DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../parts/Notice/Notice";
import { Segments } from "../../parts/Tabs/Tabs";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { changed } from "../../paths";
import { columnsOf } from "./columns";
import { text } from "./text";

const KINDS = Object.keys(text.kinds) as InventoryKind[];

/** What is on a host: one table a kind of asset. */
export default function InventoryTab({ host }: { host: string }) {
  const [search] = useSearchParams();
  const { filters } = useFilters([]);
  const kind = KINDS.find((known) => known === search.get("what")) ?? "accounts";
  const list = useList(`inventory/${kind}`, { host, ...filters, sort: search.get("sort") ?? undefined });
  const word = text.kinds[kind].toLowerCase();
  return (
    <>
      <div style={{ display: "flex", flexWrap: "wrap", gap: 8, alignItems: "center", justifyContent: "space-between" }}>
        <Segments label={text.kindsLabel} current={kind} options={KINDS.map((key) => ({ key, title: text.kinds[key], to: changed(search, { what: key, sort: null, q: null }) }))} />
        {list.first?.observed_at && (
          <span className="meta">
            {text.observed} <TimeAgo time={list.first.observed_at} />
          </span>
        )}
      </div>
      <FilterBar keys={[]} />
      <DataTable
        key={kind}
        {...listProps(list)}
        label={text.kinds[kind]}
        columns={columnsOf(kind, list.rows?.[0])}
        idOf={(row) => Object.values(row).join(" ")}
        doing={text.doing(word)}
        command={`palisade inventory list ${kind} --host ${host} --output json`}
        empty={filters.q ? <EmptyState title={text.emptyFiltered} /> : <EmptyState title={list.first?.reason ?? text.empty(word)} />}
      />
    </>
  );
}
