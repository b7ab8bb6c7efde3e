import { Link } from "react-router";
import { useList } from "../../api/queries";
import type { ExposureRow, Ruleset } from "../../api/types";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { BlockSkeleton, EmptyState, ErrorCard, StaleNote } from "../../parts/Notice/Notice";
import { Card, Facts } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { to } from "../../paths";
import { Connections } from "./host/Connections";
import { EffectiveRules } from "./host/EffectiveRules";
import { Isolation } from "./host/Isolation";
import { text as words } from "./host/text";
import { Scope } from "./Scope";
import { text } from "./text";

/** What answers on a host and from where, beside the tables that are loaded in its kernel. */
export default function FirewallTab({ host }: { host: string }) {
  const exposure = useList("firewall/exposure", { host });
  const ruleset = useList("firewall/ruleset", { host });
  const own = ruleset.rows?.[0];
  return (
    <>
      <Isolation host={host} />
      <Drift host={host} />
      <EffectiveRules host={host} />
      <Card title={text.tab.exposure} aside={<span className="meta">{text.tab.exposureLead}</span>}>
        <DataTable
          bare
          label={text.tab.exposure}
          columns={listeners}
          {...listProps(exposure)}
          idOf={(row) => `${row.protocol} ${row.address} ${row.port} ${row.process}`}
          doing={text.tab.doingExposure}
          command={`palisade firewall exposure --host ${host} --output json`}
          empty={<EmptyState title={exposure.first?.reason ?? text.tab.emptyExposure}>{exposure.first?.reason ? null : text.tab.emptyExposureLead}</EmptyState>}
        />
      </Card>
      <Card title={text.tab.ruleset} aside={own?.observed_at && <span className="meta">{text.tab.observed.toLowerCase()} <TimeAgo time={own.observed_at} /></span>}>
        {ruleset.error && ruleset.rows === undefined ? (
          <ErrorCard doing={text.tab.doingRuleset} error={ruleset.error} onRetry={ruleset.refetch} />
        ) : ruleset.rows === undefined ? (
          <BlockSkeleton height={160} />
        ) : own === undefined ? (
          <EmptyState title={ruleset.first?.reason ?? text.tab.emptyRuleset} />
        ) : (
          <RulesetView ruleset={own} />
        )}
      </Card>
      <Connections host={host} />
    </>
  );
}

/** Said first, so that nobody believes rules that are not what is in the kernel. */
function Drift({ host }: { host: string }) {
  const rules = useList("findings", { host, check: "firewall.rules-in-force", state: "open", limit: 1 }).rows?.[0];
  const bans = useList("findings", { host, check: "firewall.palisade-table", state: "open", limit: 1 }).rows?.[0];
  const drift = rules ?? bans;
  if (drift === undefined) return null;
  return (
    <StaleNote>
      {rules ? words.driftRules : words.driftBans} {words.driftLead} <Link to={to.findings({ host, show: drift.id })}>{words.toFindings}</Link>
    </StaleNote>
  );
}

const listeners: Column<ExposureRow>[] = [
  { key: "port", title: text.tab.port, kind: "mono", fit: true, phone: "first", cell: (row) => <Port row={row} /> },
  { key: "scope", title: text.tab.scope, fit: true, cell: (row) => <Scope scope={row.scope} /> },
  { key: "by_rule", title: text.tab.byRule, fit: true, from: "middle", phone: "hide", cell: (row) => text.tab.byRules[row.by_rule] },
  { key: "open", title: text.tab.open, fit: true, cell: (row) => <b>{text.tab.opens[row.open]}</b> },
  { key: "address", title: text.tab.addressListen, kind: "mono", fit: true, cell: (row) => row.address },
  { key: "process", title: text.tab.process, kind: "mono", cell: (row) => (row.process ? <Untrusted>{row.process}</Untrusted> : "–") },
  { key: "package", title: text.tab.package, fit: true, from: "middle", phone: "hide", cell: (row) => row.package ?? "–" },
  { key: "rule", title: text.tab.rule, kind: "mono", fit: true, from: "wide", phone: "hide", cell: (row) => row.rule ?? "–" },
  { key: "finding", title: text.tab.finding, fit: true, cell: (row) => (row.finding ? <Link to={to.findings({ show: row.finding })}>{text.tab.openFinding}</Link> : "") },
];

function Port({ row }: { row: ExposureRow }) {
  const path = text.tab.paths[row.path];
  return (
    <>
      {`${row.protocol}/${row.port}`}
      {row.high_risk && <span className="meta"> {text.tab.highRisk}</span>}
      {path !== "" && <span className="meta"> {path}</span>}
    </>
  );
}

interface ChainRow {
  table: string;
  chain: string;
  hook?: string | null;
  policy?: string | null;
  rules: number;
}

const chains: Column<ChainRow>[] = [
  { key: "table", title: text.tab.table, kind: "mono", fit: true, phone: "first", cell: (row) => row.table },
  { key: "chain", title: text.tab.chain, kind: "mono", cell: (row) => row.chain },
  { key: "hook", title: text.tab.hook, kind: "mono", fit: true, cell: (row) => row.hook ?? "–" },
  { key: "policy", title: text.tab.policy, kind: "mono", fit: true, cell: (row) => row.policy ?? "–" },
  { key: "rules", title: text.tab.rules, kind: "number", cell: (row) => row.rules },
];

function RulesetView({ ruleset }: { ruleset: Ruleset }) {
  const { ours } = ruleset;
  const rows = ruleset.tables.flatMap((table) =>
    table.chains.map((chain) => ({ table: `${table.family} ${table.name}`, chain: chain.name, hook: chain.hook, policy: chain.policy, rules: chain.rules })),
  );
  return (
    <>
      <div style={{ padding: 16 }}>
        <Facts
          pairs={[
            [text.tab.ours, ours.present ? `${text.tab.present} · ${text.tab.bans(ours.bans)} · ${text.tab.allow(ours.allow)}` : text.tab.absent],
            [text.tab.failsafe, ours.failsafe.length > 0 ? <span className="mono">{ours.failsafe.join("  ")}</span> : null],
            [text.tab.legacy, ruleset.legacy.length > 0 ? <span className="mono">{ruleset.legacy.join("  ")}</span> : null],
            [text.tab.unreadable, ruleset.unreadable ? <Untrusted>{ruleset.unreadable}</Untrusted> : null],
          ]}
        />
      </div>
      <DataTable
        bare
        label={text.tab.ruleset}
        columns={chains}
        rows={rows}
        total={rows.length}
        idOf={(row) => `${row.table} ${row.chain}`}
        doing={text.tab.doingRuleset}
        empty={<EmptyState title={text.tab.emptyRuleset} />}
      />
      <p className="meta" style={{ padding: "8px 16px 12px" }}>
        {text.tab.foreign}
      </p>
    </>
  );
}
