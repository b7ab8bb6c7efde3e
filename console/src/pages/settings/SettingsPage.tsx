import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { caQuery, sessionQuery, statusQuery } from "../../api/queries";
import type { Ca } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { Card, Facts, Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { formatAbsolute } from "../../words/format";
import { text } from "./text";

/** Read only: the configuration file is the truth, and the CLI changes keys. */
export default function SettingsPage() {
  return (
    <Page title={text.settings} lead={text.lead}>
      <Card title={text.server} padded>
        <ServerFacts />
      </Card>
      <Card title={text.ca} aside={<span className="meta">{text.caLead}</span>} padded>
        <CaFacts />
      </Card>
      <Command command={text.caCommand} on={text.serverMachine} as={text.asRoot} />
    </Page>
  );
}

function ServerFacts() {
  const { data: status, error, refetch } = useQuery(statusQuery);
  const server = useQuery(sessionQuery).data?.server;
  if (status === undefined) return <Missing doing={text.doing} error={error} onRetry={() => void refetch()} />;
  return (
    <Facts
      pairs={[
        [text.name, <span className="mono">{server?.name}</span>],
        [text.version, <span className="mono">{status.version}</span>],
        [text.listen, status.listen ? <span className="mono">{status.listen}</span> : text.listenNone],
        [text.fingerprint, <span className="mono">{server?.fingerprint}</span>],
        [text.started, <TimeAgo time={status.started_at} />],
        [text.clock, formatAbsolute(status.now)],
        [text.guards, status.guards.join(", ")],
      ]}
    />
  );
}

function CaFacts() {
  const { data: ca, error, refetch } = useQuery(caQuery);
  if (ca === undefined) return <Missing doing={text.doingCa} error={error} onRetry={() => void refetch()} />;
  return (
    <Facts
      pairs={[
        [text.rootFingerprint, <span className="mono">{ca.root_fingerprint}</span>],
        [text.rootEnds, <Ends time={ca.root_not_after} />],
        [text.rootKey, <RootKey word={ca.root_key} />],
        [text.issuerEnds, <Ends time={ca.issuer_not_after} />],
        [text.serverEnds, <Ends time={ca.server_not_after} />],
      ]}
    />
  );
}

function RootKey({ word }: { word: Ca["root_key"] }) {
  if (word === "here") return <>{text.rootHere}</>;
  return <span style={{ color: "var(--attention)", fontWeight: 500 }}>{text.rootAway}</span>;
}

function Ends({ time }: { time: string }): ReactNode {
  return <TimeAgo time={time} />;
}

function Missing({ doing, error, onRetry }: { doing: string; error: unknown; onRetry: () => void }) {
  return error ? <ErrorCard doing={doing} error={error} onRetry={onRetry} /> : <BlockSkeleton height={120} />;
}
