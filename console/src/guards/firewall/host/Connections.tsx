import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Connection, connectionsQuery } from "../../../api/firewall";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { EmptyState } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { formatBytes } from "../../../words/format";
import { text } from "./text";

/** Conversations that are open on the host, and what its rules say of each; asked, not watched. */
export function Connections({ host }: { host: string }) {
  const [asked, setAsked] = useState(false);
  const { data, error, refetch, isFetching } = useQuery({ ...connectionsQuery(host, true), enabled: asked });
  const ask = () => (asked ? void refetch() : setAsked(true));
  return (
    <Card title={text.connections} aside={<Button loading={isFetching} onClick={ask}>{text.ask}</Button>}>
      {asked ? (
        <DataTable
          bare
          label={text.connections}
          columns={columns}
          rows={data?.items}
          total={data?.total ?? 0}
          idOf={(row) => `${row.direction} ${row.protocol} ${row.peer} ${row.peer_port} ${row.port}`}
          doing={text.doingConnections}
          error={error}
          onRetry={ask}
          empty={<EmptyState title={data?.reason ?? text.emptyConnections} />}
        />
      ) : (
        <EmptyState title={text.connectionsLead} />
      )}
    </Card>
  );
}

const columns: Column<Connection>[] = [
  { key: "peer", title: text.peer, kind: "mono", phone: "first", cell: (row) => `${row.peer.includes(":") ? `[${row.peer}]` : row.peer}:${row.peer_port}` },
  { key: "direction", title: text.direction, fit: true, cell: (row) => text.directions[row.direction] },
  { key: "port", title: text.what, kind: "mono", fit: true, cell: (row) => `${row.protocol}/${row.port}` },
  { key: "process", title: text.process, kind: "mono", cell: (row) => (row.process ? <Untrusted>{row.process}</Untrusted> : "–") },
  { key: "bytes", title: text.bytes, kind: "number", phone: "hide", cell: (row) => formatBytes(row.bytes) },
  { key: "would", title: text.allowed, fit: true, cell: (row) => (row.would === "deny" || !row.allowed ? <b>{text.wouldDeny}</b> : text.passes) },
];
