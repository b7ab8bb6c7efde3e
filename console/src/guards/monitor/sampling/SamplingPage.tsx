import { useSearchParams } from "react-router";
import type { Resource, Scope } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import type { Field } from "../../../parts/ResourceForm/fields";
import { ResourceDrawer } from "../../../parts/ResourceForm/Resource";
import { changed } from "../../../paths";
import { MonitorTabs } from "../MonitorTabs";
import { sayScope } from "../rules/draft";
import { text as words } from "../text";
import { SAMPLING, watchFields } from "../watch";
import { text } from "./text";

/** How often hosts are sampled, and which processes have series of their own. */
export default function SamplingPage() {
  return (
    <Page title={text.title}>
      <MonitorTabs current="sampling" />
      <Resources kind="Sampling" title={text.title} lead={text.lead} doing={text.doing} add={text.add} empty={text.empty} fields={SAMPLING} what={{ title: text.interval, say: (spec) => String(spec.interval) }} />
      <Resources kind="ProcessWatch" title={text.watches} lead={text.watchesLead} doing={text.doingWatches} add={text.addWatch} empty={text.emptyWatches} note={words.watchLead} fields={WATCH} what={{ title: text.what, say: sayWatch }} />
    </Page>
  );
}

const WATCH = watchFields("");

type Spec = Record<string, unknown> & { scope?: Scope };

interface ResourcesProps {
  kind: "Sampling" | "ProcessWatch";
  title: string;
  lead: string;
  doing: string;
  add: string;
  empty: string;
  /** Above the form. */
  note?: string;
  fields: Field[];
  /** The column that says what a row is about. */
  what: { title: string; say: (spec: Spec) => string };
}

/** The resources of one kind with their form; `?show=KIND NAME`, without a name a new one. */
function Resources({ kind, title, lead, doing, add, empty, note, fields, what }: ResourcesProps) {
  const [search, setSearch] = useSearchParams();
  const can = useCan("operator");
  const list = useList(kind === "Sampling" ? "resources/Sampling" : "resources/ProcessWatch", {});
  const shown = search.get("show");
  const name = shown?.startsWith(`${kind} `) ? shown.slice(kind.length + 1) : null;
  const existing = list.rows?.find((row) => row.name === name) as Resource<Spec> | undefined;
  const columns: Column<Resource<Spec>>[] = [
    { key: "name", title: text.name, fit: true, phone: "first", cell: (row) => row.name },
    { key: "what", title: what.title, kind: "mono", cell: (row) => <Untrusted>{what.say(row.spec)}</Untrusted> },
    { key: "scope", title: text.scope, phone: "named", cell: (row) => <Untrusted>{sayScope(row.spec.scope)}</Untrusted> },
    {
      key: "change",
      title: "",
      fit: true,
      cell: (row) => (
        <ActionLink variant="subtle" to={changed(search, { show: `${kind} ${row.name}` })} aria-label={text.changeOf(row.name)}>
          {text.change}
        </ActionLink>
      ),
    },
  ];
  const button = can === true ? <ActionLink to={changed(search, { show: `${kind} ` })}>{add}</ActionLink> : <Action can={can}>{add}</Action>;
  return (
    <Card title={title} aside={<span className="meta">{lead}</span>}>
      <DataTable
        {...listProps(list)}
        rows={list.rows as Resource<Spec>[] | undefined}
        identity={`${list.identity} ${shown ?? ""}`}
        bare
        label={title}
        columns={columns}
        idOf={(row) => row.name}
        doing={doing}
        command={`palisade get ${kind} -o json`}
        empty={<EmptyState title={empty} action={button} />}
      />
      {list.rows && list.rows.length > 0 && <div style={{ padding: "0 16px 12px" }}>{button}</div>}
      <ResourceDrawer kind={kind} title={existing ? text.changeOf(existing.name) : add} fields={fields} existing={existing ?? null} opened={name === "" || existing !== undefined} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}>
        {note && <p className="meta">{note}</p>}
      </ResourceDrawer>
    </Card>
  );
}

/** "unit nginx, user www-data". */
function sayWatch(spec: Spec): string {
  return Object.entries(text.says)
    .filter(([key]) => typeof spec[key] === "string")
    .map(([key, word]) => `${word} ${String(spec[key])}`)
    .join(", ");
}
