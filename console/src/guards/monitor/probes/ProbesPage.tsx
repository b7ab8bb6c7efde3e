import { useMutation, useQueryClient } from "@tanstack/react-query";
import { IconArrowDown, IconArrowUp, IconCircleDashed } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { useSearchParams } from "react-router";
import { monitorAct, type ProbeResult, type ProbeView } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Badge } from "../../../parts/Badges/Badges";
import { Command, Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { ResourceDrawer } from "../../../parts/ResourceForm/Resource";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed } from "../../../paths";
import { formatPercent, formatUnit } from "../../../words/format";
import { MonitorTabs } from "../MonitorTabs";
import { AgentlessHosts } from "./AgentlessHosts";
import { probeFields, sayFacts } from "./form";
import { text } from "./text";

const AgentlessDrawer = lazy(() => import("./AgentlessDrawer"));

/** Watching from outside: services as their users see them, and hosts that run no agent. */
export default function ProbesPage() {
  const [search, setSearch] = useSearchParams();
  const client = useQueryClient();
  const can = useCan("operator");
  const list = useList("monitor/probes", {}, 30_000);
  const run = useMutation({ mutationFn: (probe: string) => monitorAct.probeRun(probe), onSuccess: () => client.invalidateQueries({ queryKey: ["monitor/probes"] }) });
  const shown = search.get("show");
  const agentless = shown === "agentless" ? search.get("host") : null;
  // Stays once it was opened, so that closing gives the focus back.
  const [wanted, setWanted] = useState(agentless !== null);
  if (agentless !== null && !wanted) setWanted(true);
  const close = () => setSearch(changed(search, { show: null, host: null }), { preventScrollReset: true });
  const existing = list.rows?.find((row) => row.name === shown);
  const columns: Column<ProbeView>[] = [
    { key: "state", title: text.state, fit: true, phone: "lead", cell: (row) => <UpBadge last={row.last} /> },
    { key: "name", title: text.name, fit: true, phone: "first", cell: (row) => row.name },
    { key: "type", title: text.type, fit: true, cell: (row) => text.types[row.spec.type] ?? row.spec.type },
    { key: "target", title: text.target, kind: "mono", cell: (row) => <Untrusted>{row.spec.target}</Untrusted> },
    { key: "took", title: text.took, kind: "number", phone: "named", cell: (row) => took(row.last) },
    { key: "share", title: text.share, kind: "number", phone: "named", cell: (row) => formatPercent(row.up_share_24h, 1) },
    { key: "what", title: text.what, from: "middle", cell: (row) => <Untrusted>{row.last?.error ?? sayFacts(row.last?.facts)}</Untrusted> },
    { key: "host", title: text.host, fit: true, from: "wide", phone: "hide", cell: (row) => (row.host ? <HostLink host={row.host} tab="monitor" /> : <span className="meta">{text.server}</span>) },
    { key: "when", title: text.when, fit: true, from: "wide", phone: "hide", cell: (row) => <TimeAgo time={row.last?.at} dense /> },
    {
      key: "run",
      title: "",
      fit: true,
      cell: (row) => (
        <>
          <Action variant="subtle" can={row.can?.run ?? can} loading={run.isPending && run.variables === row.name} aria-label={text.runOf(row.name)} onClick={() => run.mutate(row.name)}>
            {text.run}
          </Action>
          <ActionLink variant="subtle" to={changed(search, { show: row.name })} aria-label={text.changeOf(row.name)}>
            {text.change}
          </ActionLink>
        </>
      ),
    },
  ];
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink> : <Action can={can}>{text.add}</Action>;
  return (
    <Page title={text.probes} actions={add}>
      <MonitorTabs current="probes" />
      <div role="status" style={run.data ? undefined : { display: "contents" }}>{run.data && <Ran name={run.variables} result={run.data} />}</div>
      {run.error && <ErrorCard doing={text.doingRun(run.variables)} error={run.error} />}
      <DataTable
        {...listProps(list)}
        identity={`${list.identity} ${search.get("show") ?? ""}`}
        label={text.probes}
        columns={columns}
        idOf={(row) => row.name}
        doing={text.doing}
        command="palisade monitor probe list --output json"
        empty={
          <EmptyState title={list.first?.reason ?? text.empty} action={add}>
            {text.emptyLead}
          </EmptyState>
        }
      />
      <AgentlessHosts />
      <ResourceDrawer kind="Probe" title={existing ? text.changeOf(existing.name) : text.add} fields={probeFields} existing={existing ? { ...existing, version: existing.version ?? 0 } : null} opened={shown === "add" || existing !== undefined} onClose={close} />
      <Suspense>{wanted && <AgentlessDrawer host={agentless} onClose={close} />}</Suspense>
    </Page>
  );
}

const took = (last: ProbeResult | null | undefined) => (last?.duration_s === null || last?.duration_s === undefined ? "–" : formatUnit(last.duration_s, "seconds"));

function UpBadge({ last }: { last: ProbeResult | null | undefined }) {
  if (!last) return <Badge icon={IconCircleDashed} color="var(--unknown)" word={text.never} />;
  return last.up ? <Badge icon={IconArrowUp} color="var(--good)" word={text.up} /> : <Badge icon={IconArrowDown} color="var(--bad)" word={text.down} />;
}

function Ran({ name, result }: { name: string; result: ProbeResult }) {
  const facts = sayFacts(result.facts);
  return (
    <div style={{ display: "grid", gap: 8 }}>
      <p style={result.up ? undefined : { color: "var(--bad)" }}>
        {result.up ? text.ranUp(name) : text.ranDown(name)} {!result.up && <Untrusted>{result.error ?? text.noError}</Untrusted>} <span className="meta">{took(result)}</span>
      </p>
      {facts !== "" && <Command command={facts} />}
    </div>
  );
}
