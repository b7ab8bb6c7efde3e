import { Drawer } from "@mantine/core";
import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import type { HostView } from "../../api/types";
import { ActionLink } from "../../parts/Action/Action";
import { SeverityBadge, StateBadge, VerdictBadge } from "../../parts/Badges/Badges";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { Meter } from "../../parts/Meter/Meter";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { changed, to } from "../../paths";
import { formatInteger } from "../../words/format";
import { AddHost } from "./AddHost";
import { text } from "./text";

const columns: Column<HostView>[] = [
  { key: "state", title: text.state, fit: true, phone: "lead", cell: (host) => <StateBadge state={host.state} /> },
  { key: "name", title: text.name, kind: "mono", fit: true, phone: "first", cell: (host) => host.name },
  {
    key: "verdict",
    title: text.verdict,
    fit: true,
    cell: (host) => (
      <>
        <VerdictBadge word={host.verdict.word} />
        {host.verdict.word !== "online" && (
          <span className="meta">
            {" "}
            <TimeAgo time={host.verdict.since} dense />
          </span>
        )}
      </>
    ),
  },
  { key: "worst", title: text.worst, cell: (host) => <Worst host={host} /> },
  { key: "findings_open", title: text.open, kind: "number", phone: "hide", cell: (host) => formatInteger(host.findings_open) },
  { key: "cpu", title: text.cpu, fit: true, from: "middle", phone: "hide", cell: (host) => <Meter ratio={host.cpu} /> },
  { key: "memory", title: text.memory, fit: true, from: "middle", phone: "hide", cell: (host) => <Meter ratio={host.memory} /> },
  { key: "disk", title: text.disk, fit: true, from: "middle", phone: "hide", cell: (host) => <Meter ratio={host.disk} /> },
  { key: "updates", title: text.updates, kind: "number", from: "wide", phone: "hide", cell: (host) => formatInteger(host.updates) },
  { key: "tags", title: text.tags, fit: true, from: "wide", phone: "hide", cell: (host) => <span className="meta mono">{host.tags.join(" ")}</span> },
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
  const { filters } = useFilters([]);
  const list = useList("hosts", filters);
  const adding = search.get("show") === "add";
  return (
    <Page title={text.hosts} actions={<ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink>}>
      <FilterBar keys={[]} />
      <DataTable
        label={text.hosts}
        columns={columns}
        {...listProps(list)}
        idOf={(host) => host.name}
        doing={text.doing}
        linkOf={(host) => to.host(host.name)}
        isDead={(host) => host.verdict.word !== "online"}
        command="palisade host list --output json"
        empty={filters.q ? <EmptyState title={text.emptyFiltered(filters.q)} /> : <EmptyState title={text.empty} action={<AddHost />} />}
      />
      <Drawer
        opened={adding}
        onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
        position="right"
        size={520}
        title={text.add}
        closeButtonProps={{ "aria-label": words.close }}
      >
        <AddHost />
      </Drawer>
    </Page>
  );
}

