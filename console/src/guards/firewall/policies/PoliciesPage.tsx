import { Button, Drawer, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import type { PortPolicySpec } from "../../../api/firewall";
import type { Resource } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { text as parts } from "../../../parts/text";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed, to } from "../../../paths";
import { formatInteger } from "../../../words/format";
import { FirewallTabs } from "../FirewallTabs";
import { saySelector } from "../groups/selector";
import { text } from "./text";

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

export default function PoliciesPage() {
  const [search, setSearch] = useSearchParams();
  const { filters } = useFilters([]);
  const can = useCan("operator");
  const list = useList("resources/PortPolicy", filters);
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={can}>{text.add}</Action>;
  return (
    <Page title={text.policies} lead={text.lead} actions={add}>
      <FirewallTabs current="policies" />
      <FilterBar keys={[]} />
      <DataTable
        label={text.policies}
        columns={columns}
        {...listProps(list)}
        idOf={(row) => row.name}
        linkOf={(row) => to.policy(row.name)}
        doing={text.doing}
        command="palisade get PortPolicy -o json"
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
      <Drawer opened={search.get("show") === "add"} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })} position="right" size={480} title={text.add} closeButtonProps={{ "aria-label": parts.close }}>
        <NewPolicy />
      </Drawer>
    </Page>
  );
}

function NewPolicy() {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [asked, setAsked] = useState(false);
  const right = NAME.test(name.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (right) void navigate(to.policy(name.trim(), { show: "add" }));
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <TextInput data-autofocus label={text.name} description={text.nameNote} value={name} onChange={(event) => setName(event.currentTarget.value)} error={asked && !right ? text.nameNeeded : undefined} styles={{ input: { fontFamily: "var(--mono)" } }} autoComplete="off" spellCheck={false} />
      <div>
        <Button type="submit" variant="filled">
          {text.make}
        </Button>
      </div>
    </form>
  );
}

const specOf = (row: Resource) => row.spec as PortPolicySpec;

const columns: Column<Resource>[] = [
  { key: "name", title: text.name, kind: "mono", fit: true, phone: "first", cell: (row) => row.name },
  { key: "hosts", title: text.hosts, kind: "mono", cell: (row) => <Untrusted>{sayHosts(specOf(row))}</Untrusted> },
  { key: "high_risk", title: text.highRisk, fit: true, phone: "named", cell: (row) => text.action[specOf(row).high_risk ?? "deny"] },
  { key: "databases", title: text.databases, fit: true, from: "middle", phone: "hide", cell: (row) => text.databaseAction[specOf(row).databases ?? "deny"] },
  { key: "exceptions", title: text.exceptionsCount, kind: "number", phone: "hide", cell: (row) => formatInteger(specOf(row).exceptions?.length ?? 0) },
  { key: "updated_at", title: text.changed, fit: true, from: "middle", phone: "hide", cell: (row) => <TimeAgo time={row.updated_at} dense /> },
];

function sayHosts(spec: PortPolicySpec): string {
  const said = saySelector(spec.hosts ?? {});
  return said === "*" ? text.everyHost : said === "" ? text.noHost : said;
}
