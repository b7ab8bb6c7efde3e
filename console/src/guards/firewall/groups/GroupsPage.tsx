import { Drawer } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Link } from "react-router";
import type { GroupView } from "../../../api/firewall";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { text as parts } from "../../../parts/text";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed, to } from "../../../paths";
import { formatInteger } from "../../../words/format";
import { FirewallTabs } from "../FirewallTabs";
import classes from "./Groups.module.css";
import { NewGroup } from "./NewGroup";
import { Starters } from "./Starters";
import { draftNames } from "./stored";
import { text } from "./text";

export default function GroupsPage() {
  const [search, setSearch] = useSearchParams();
  const { filters } = useFilters([]);
  const can = useCan("operator");
  const list = useList("firewall/groups", { ...filters, sort: search.get("sort") ?? undefined });
  const drafts = new Set(draftNames());
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={can}>{text.add}</Action>;
  const none = list.rows?.length === 0 && filters.q === undefined;
  const unsaved = [...drafts].filter((name) => list.rows !== undefined && !list.rows.some((row) => row.name === name));
  return (
    <Page title={text.groups} lead={text.lead} actions={add}>
      <FirewallTabs current="groups" />
      <FilterBar keys={[]} />
      <DataTable
        label={text.groups}
        columns={columnsWith(drafts)}
        {...listProps(list)}
        idOf={(row) => row.name}
        linkOf={(row) => to.group(row.name)}
        doing={text.doing}
        command="palisade firewall group list --output json"
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
      {unsaved.length > 0 && filters.q === undefined && (
        <Card title={text.drafts} aside={<span className="meta">{text.draftsLead}</span>} padded>
          <span className={classes.links}>
            {unsaved.map((name) => (
              <Link key={name} className="mono" to={to.group(name)}>
                {name}
              </Link>
            ))}
          </span>
        </Card>
      )}
      {none && <Starters can={can} />}
      <Drawer opened={search.get("show") === "add"} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })} position="right" size={520} title={text.add} closeButtonProps={{ "aria-label": parts.close }}>
        <NewGroup taken={(list.rows ?? []).map((row) => row.name)} />
      </Drawer>
    </Page>
  );
}

const columnsWith = (drafts: Set<string>): Column<GroupView>[] => [
  { key: "name", title: text.name, kind: "mono", fit: true, sortable: true, phone: "first", cell: (row) => row.name },
  { key: "notes", title: "", fit: true, cell: (row) => <Marks row={row} drafted={drafts.has(row.name)} /> },
  { key: "hosts_total", title: text.hosts, kind: "number", sortable: true, phone: "named", cell: (row) => formatInteger(row.hosts_total) },
  {
    key: "rules",
    title: text.rules,
    fit: true,
    cell: (row) => (
      <>
        {text.rulesOf(row.rules_in, row.rules_out)}
        {row.rules_disabled > 0 && <span className="meta"> · {text.disabled(row.rules_disabled)}</span>}
      </>
    ),
  },
  { key: "intra", title: text.among, fit: true, from: "wide", phone: "hide", cell: (row) => text.intraWords[row.intra] },
  { key: "description", title: text.description, from: "middle", phone: "hide", cell: (row) => <Untrusted>{row.description ?? ""}</Untrusted> },
  {
    key: "updated_at",
    title: text.changed,
    fit: true,
    sortable: true,
    from: "middle",
    phone: "hide",
    cell: (row) => (
      <>
        <TimeAgo time={row.updated_at} dense /> <span className="meta">{text.changedBy(row.updated_by)}</span>
      </>
    ),
  },
];

function Marks({ row, drafted }: { row: GroupView; drafted: boolean }) {
  return (
    <span className={classes.notes}>
      {drafted && <span className={classes.mark}>{text.drafted}</span>}
      {row.probation && <Link to={to.plan(row.probation.plan)}>{text.onProbation}</Link>}
      {row.unresolved > 0 && <span className={classes.flag}>{text.unresolvedOf(row.unresolved)}</span>}
    </span>
  );
}
