import { useSearchParams } from "react-router";
import { useList } from "../../../api/queries";
import type { HostView } from "../../../api/types";
import { ActionLink } from "../../../parts/Action/Action";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed } from "../../../paths";
import { text } from "./text";

/** The hosts that are read through SSH, and the way to set each up. */
export function AgentlessHosts() {
  const [search] = useSearchParams();
  const list = useList("hosts", { verdict: "agentless", limit: 1_000 });
  const rows = list.rows?.filter((host) => host.kind === "agentless");
  const columns: Column<HostView>[] = [
    { key: "name", title: text.name, fit: true, phone: "first", cell: (host) => <HostLink host={host.name} tab="monitor" /> },
    { key: "address", title: text.address, kind: "mono", cell: (host) => <Untrusted>{host.address ?? "–"}</Untrusted> },
    { key: "seen", title: text.lastRead, fit: true, cell: (host) => (host.cpu === null ? <span className="meta">{text.notRead}</span> : <TimeAgo time={host.observed_at} dense />) },
    {
      key: "set-up",
      title: "",
      fit: true,
      cell: (host) => (
        <ActionLink variant="subtle" to={changed(search, { show: "agentless", host: host.name })} aria-label={text.setUpOf(host.name)}>
          {text.setUp}
        </ActionLink>
      ),
    },
  ];
  return (
    <Card title={text.agentless} aside={<span className="meta">{text.agentlessLead}</span>}>
      <DataTable bare label={text.agentless} columns={columns} rows={rows} total={rows?.length ?? 0} idOf={(host) => host.name} doing={text.doing} error={list.error} onRetry={list.refetch} empty={<EmptyState title={text.agentlessNone} />} />
    </Card>
  );
}
