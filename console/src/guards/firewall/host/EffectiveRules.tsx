import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { type EffectiveRule, effectiveQuery } from "../../../api/firewall";
import { ActionLink } from "../../../parts/Action/Action";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { EmptyState, ErrorCard, StaleNote } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { to } from "../../../paths";
import { formatInteger } from "../../../words/format";
import { ActionWord, portsOf } from "../groups/RuleRow";
import { text } from "./text";

type Numbered = EffectiveRule & { order: number };
const PEERS_SHOWN = 4;

/** What this host enforces, as it is asked: layer by layer, the first that matches decides. */
export function EffectiveRules({ host }: { host: string }) {
  const { data, error, refetch } = useQuery(effectiveQuery(host));
  if (error && data === undefined) return <ErrorCard doing={text.doingEffective} error={error} onRetry={() => void refetch()} />;
  const rows = data?.rules.map((rule, i): Numbered => ({ ...rule, order: i + 1 }));
  const aside = (
    <span className="meta">
      {data?.observed_at ? <TimeAgo time={data.observed_at} /> : text.effectiveLead}
    </span>
  );
  return (
    <>
      {data?.probation && (
        <StaleNote>
          {text.onProbation} <Link to={to.plan(data.probation.plan)}>{data.probation.plan}</Link>
        </StaleNote>
      )}
      <Card title={text.effective} aside={aside}>
        {data && data.filtered && (
          <p style={{ padding: "12px 16px 0" }}>
            <Untrusted>{data.sentence}</Untrusted>
            {data.defaults && <span className="meta"> · {text.defaults(data.defaults.inbound, data.defaults.outbound)}</span>}
          </p>
        )}
        <DataTable
          bare
          label={text.effective}
          columns={columns}
          rows={data?.filtered === false ? [] : rows}
          total={rows?.length ?? 0}
          idOf={(row) => row.id}
          doing={text.doingEffective}
          command={`palisade firewall policy show ${host} --output json`}
          empty={
            <EmptyState title={text.unfiltered} action={<ActionLink to={to.groups()}>{text.toGroups}</ActionLink>}>
              {text.unfilteredLead}
            </EmptyState>
          }
        />
      </Card>
    </>
  );
}

const columns: Column<Numbered>[] = [
  { key: "order", title: text.order, kind: "number", phone: "lead", cell: (row) => row.order },
  { key: "layer", title: text.layer, fit: true, from: "middle", phone: "hide", cell: (row) => text.layers[row.layer] },
  { key: "direction", title: text.direction, fit: true, cell: (row) => text.directions[row.direction] },
  { key: "action", title: text.action, fit: true, cell: (row) => <ActionWord action={row.action} /> },
  { key: "what", title: text.what, kind: "mono", fit: true, phone: "first", cell: (row) => sayWhat(row) },
  { key: "peers", title: text.peers, kind: "mono", cell: (row) => <Peers row={row} /> },
  { key: "id", title: text.rule, kind: "mono", fit: true, from: "middle", phone: "hide", cell: (row) => (row.group ? <Link to={to.group(row.group)}>{row.id}</Link> : row.id) },
  { key: "packets_24h", title: text.day, kind: "number", phone: "hide", cell: (row) => formatInteger(row.packets_24h) },
  { key: "last_hit_at", title: text.last, fit: true, from: "wide", phone: "hide", cell: (row) => <TimeAgo time={row.last_hit_at} dense /> },
];

function sayWhat(row: EffectiveRule): string {
  const ports = portsOf(row);
  return ports === "–" ? row.protocol : `${row.protocol} ${ports}`;
}

function Peers({ row }: { row: EffectiveRule }) {
  const shown = row.peers.slice(0, PEERS_SHOWN).join(", ");
  return (
    <>
      <Untrusted>{row.peers.length === 0 ? text.nobody : row.peers.length > PEERS_SHOWN ? `${shown}, …` : shown}</Untrusted>
      {row.nobody && row.peers.length > 0 && <b> {text.nobody}</b>}
      {row.addresses > 1 && <span className="meta"> {text.addresses(row.addresses)}</span>}
      {row.ends_at && (
        <span className="meta">
          {" "}
          {text.ends} <TimeAgo time={row.ends_at} dense />
        </span>
      )}
    </>
  );
}
