import { Button, Checkbox, Drawer } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import type { HostView } from "../../api/types";
import { IsolatedBadge } from "../../guards/firewall/host/IsolatedBadge";
import { useIsolatedHosts } from "../../guards/firewall/host/isolated";
import { Action, ActionLink } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { SeverityBadge, StateBadge } from "../../parts/Badges/Badges";
import { VerdictNote } from "../../parts/Badges/VerdictBadge";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { type Choice, FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { Meter } from "../../parts/Meter/Meter";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { Segments } from "../../parts/Tabs/Tabs";
import { Tags } from "../../parts/Tags/Tags";
import { text as words } from "../../parts/text";
import { changed, to } from "../../paths";
import { isHeard, VERDICT_WORDS } from "../../theme/verdict";
import { formatInteger } from "../../words/format";
import { AddHost } from "./AddHost";
import { byGroup, type Grouping, groupingOf, groupTitle, tagKeys } from "./group";
import { text } from "./text";

const KEYS = ["region", "tag", "verdict", "standing"] as const;
const STANDINGS = ["retired", "revoked", "all"] as const;
/** Groups are made of what is loaded, so more is loaded for them. */
const GROUPED_ROWS = 1_000;
const TAGS_SHOWN = 2;
const TAG_KEYS_OFFERED = 2;

const COMPARE_MIN = 2;
const COMPARE_MAX = 8;

const state: Column<HostView> = { key: "state", title: text.state, fit: true, sortable: true, phone: "lead", cell: (host) => <StateBadge state={host.state} /> };

/** The name, and whether the host is cut off. */
const nameWith = (isolated: Set<string>): Column<HostView> => ({
  key: "name",
  title: text.name,
  kind: "mono",
  fit: true,
  sortable: true,
  phone: "first",
  cell: (host) => (
    <>
      {host.name}
      {isolated.has(host.name) && <> <IsolatedBadge /></>}
    </>
  ),
});

const columns: Column<HostView>[] = [
  { key: "verdict", title: text.verdict, fit: true, sortable: true, cell: (host) => <VerdictNote verdict={host.verdict} /> },
  { key: "region", title: text.region, fit: true, from: "middle", cell: (host) => (host.region ? <Untrusted>{host.region}</Untrusted> : <span className="meta">–</span>) },
  { key: "tags", title: text.tags, fit: true, from: "middle", phone: "hide", cell: (host) => <Tags tags={host.tags} max={TAGS_SHOWN} /> },
  { key: "worst", title: text.worst, phone: "hide", cell: (host) => <Worst host={host} /> },
  { key: "findings", title: text.open, kind: "number", sortable: true, phone: "hide", cell: (host) => formatInteger(host.findings_open) },
  { key: "cpu", title: text.cpu, fit: true, from: "wide", phone: "hide", cell: (host) => <Meter ratio={host.cpu} /> },
  { key: "memory", title: text.memory, fit: true, from: "widest", phone: "hide", cell: (host) => <Meter ratio={host.memory} /> },
  { key: "disk", title: text.disk, fit: true, from: "widest", phone: "hide", cell: (host) => <Meter ratio={host.disk} /> },
  { key: "profile", title: text.profile, fit: true, from: "widest", phone: "hide", cell: (host) => <span className="meta">{host.kind === "agentless" ? "–" : host.profile}</span> },
];

function Worst({ host: { worst } }: { host: HostView }) {
  if (!worst) return <span className="meta">{text.none}</span>;
  return (
    <>
      <SeverityBadge severity={worst.severity} iconOnly /> {worst.title}{" "}
      <span className="meta mono">
        <Untrusted>{worst.object}</Untrusted>
      </span>
    </>
  );
}

export default function HostsPage() {
  const [search, setSearch] = useSearchParams();
  const { filters } = useFilters(KEYS);
  const grouping = groupingOf(search.get("group"));
  const list = useList("hosts", { ...filters, sort: search.get("sort") ?? undefined, ...(grouping === "none" ? {} : { limit: GROUPED_ROWS }) });
  const canAdd = useCan("admin");
  const isolated = useIsolatedHosts();
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const pick: Column<HostView> = {
    key: "pick",
    title: "",
    fit: true,
    from: "middle",
    phone: "hide",
    cell: ({ name }) => {
      const is = chosen.includes(name);
      return (
        <span data-above>
          <Checkbox size="xs" aria-label={text.choose(name)} checked={is} disabled={!is && chosen.length === COMPARE_MAX} onChange={() => setChosen(is ? chosen.filter((other) => other !== name) : [...chosen, name])} />
        </span>
      );
    },
  };
  const filtered = Object.keys(filters).length > 0;
  const empty = list.rows?.length === 0 && !filtered;
  return (
    <Page title={text.hosts} actions={canAdd === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={canAdd}>{text.add}</Action>}>
      <FilterBar keys={KEYS} choices={useChoices(list.rows)}>
        <Groupings rows={list.rows} grouping={grouping} search={search} />
        {chosen.length > 0 && <Compare hosts={chosen} onNone={() => setChosen([])} />}
      </FilterBar>
      <DataTable
        label={text.hosts}
        columns={[state, nameWith(isolated), ...columns, pick]}
        {...listProps(list)}
        rows={list.rows && byGroup(list.rows, grouping)}
        groupOf={grouping === "none" ? undefined : (host) => groupTitle(host, grouping)}
        identity={`${list.identity} ${grouping}`}
        idOf={(host) => host.name}
        doing={text.doing}
        linkOf={(host) => to.host(host.name)}
        isDead={(host) => !isHeard(host.verdict.word) || host.standing === "retired"}
        command="palisade host list --output json"
        empty={
          filtered ? (
            <EmptyState title={text.emptyFiltered} action={<ActionLink to={to.hosts()}>{text.noFilter}</ActionLink>} />
          ) : (
            <EmptyState title={text.empty}>
              <div style={{ inlineSize: "min(560px, 100%)", color: "var(--text)" }}>
                <AddHost />
              </div>
            </EmptyState>
          )
        }
      />
      <Drawer
        opened={search.get("show") === "add" && !empty}
        onClose={() => setSearch(changed(search, { show: null, how: null }), { preventScrollReset: true })}
        position="right"
        size={600}
        title={text.add}
        closeButtonProps={{ "aria-label": words.close }}
      >
        <AddHost />
      </Drawer>
    </Page>
  );
}

/** What the chosen hosts are for: two to eight in the same charts. */
function Compare({ hosts, onNone }: { hosts: readonly string[]; onNone: () => void }) {
  const address = `${to.dashboards("compare")}?${new URLSearchParams(hosts.map((host) => ["host", host])).toString()}`;
  return (
    <>
      {hosts.length < COMPARE_MIN ? <Action can={text.compareMore}>{text.compare(hosts.length)}</Action> : <ActionLink to={address}>{text.compare(hosts.length)}</ActionLink>}
      <Button variant="subtle" onClick={onNone}>
        {text.chooseNone}
      </Button>
    </>
  );
}

/** Regions are words of the operator: those that were seen since the page was opened are offered. */
function useChoices(rows: HostView[] | undefined): Choice[] {
  const [regions] = useState(() => new Set<string>());
  for (const host of rows ?? []) if (host.region) regions.add(host.region);
  return [
    ...(regions.size > 0 ? [{ key: "region", options: [...regions].toSorted() }] : []),
    { key: "verdict", options: VERDICT_WORDS, words: words.verdict },
    { key: "standing", options: STANDINGS, words: text.standings, none: text.standings.active },
  ];
}

function Groupings({ rows, grouping, search }: { rows: HostView[] | undefined; grouping: Grouping; search: URLSearchParams }) {
  const offered = tagKeys(rows ?? [])
    .slice(0, TAG_KEYS_OFFERED)
    .map((key): Grouping => `tag:${key}`);
  const all = new Set<Grouping>(["none", "region", "verdict", ...offered, grouping]);
  return (
    <Segments
      label={text.groupLabel}
      current={grouping}
      options={[...all].map((key) => ({ key, title: text.group[key] ?? key.slice(4), to: changed(search, { group: key === "none" ? null : key }) }))}
    />
  );
}
