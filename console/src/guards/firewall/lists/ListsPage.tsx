import { lazy, Suspense } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import type { PrefixListSpec } from "../../../api/firewall";
import type { Resource } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { EmptyState, StaleNote } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed, to } from "../../../paths";
import { plain } from "../../../words/escape";
import { formatInteger } from "../../../words/format";
import { FirewallTabs } from "../FirewallTabs";
import { text } from "./text";

const ListDrawer = lazy(() => import("./ListDrawer"));

const specOf = (row: Resource) => row.spec as PrefixListSpec;

/** Prefix lists; one opens over them, under its own address. */
export default function ListsPage() {
  const { name } = useParams();
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const { filters } = useFilters([]);
  const can = useCan("operator");
  const list = useList("resources/PrefixList", filters);
  const existing = list.rows?.find((row) => row.name === name);
  const adding = search.get("show") === "add";
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={can}>{text.add}</Action>;
  return (
    <Page title={text.lists} lead={text.lead} actions={add}>
      <FirewallTabs current="lists" />
      <FilterBar keys={[]} />
      {name !== undefined && list.rows !== undefined && existing === undefined && <StaleNote>{text.unknown(plain(name))}</StaleNote>}
      <DataTable
        label={text.lists}
        columns={columns}
        {...listProps(list)}
        idOf={(row) => row.name}
        linkOf={(row) => to.list(row.name)}
        selected={name}
        doing={text.doing}
        command="palisade get PrefixList -o json"
        empty={
          filters.q ? (
            <EmptyState title={text.emptyFiltered} />
          ) : (
            <EmptyState title={text.empty} action={add}>
              {text.emptyLead}
            </EmptyState>
          )
        }
      />
      <Suspense>
        <ListDrawer opened={adding || existing !== undefined} existing={existing ? { ...existing, spec: specOf(existing) } : null} can={can} onClose={() => void navigate(to.lists(), { preventScrollReset: true })} />
      </Suspense>
    </Page>
  );
}

const columns: Column<Resource>[] = [
  { key: "name", title: text.name, kind: "mono", fit: true, phone: "first", cell: (row) => row.name },
  { key: "networks", title: text.networks, kind: "number", phone: "named", cell: (row) => formatInteger(specOf(row).prefixes?.length ?? 0) },
  { key: "description", title: text.description, cell: (row) => <Untrusted>{specOf(row).description ?? ""}</Untrusted> },
  {
    key: "updated_at",
    title: text.changed,
    fit: true,
    from: "middle",
    phone: "hide",
    cell: (row) => (
      <>
        <TimeAgo time={row.updated_at} dense /> {row.updated_by && <span className="meta">{text.changedBy(row.updated_by)}</span>}
      </>
    ),
  },
];
