import { useQuery } from "@tanstack/react-query";
import { caQuery, sessionQuery, statusQuery } from "../../api/queries";
import type { AuthorityKey } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { Card, Facts, Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { plain } from "../../words/escape";
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
        [text.rootFingerprint, <span className="mono">{ca.root.fingerprint}</span>],
        [text.rootEnds, <TimeAgo time={ca.root.not_after} />],
        [text.rootKey, <KeyFacts view={ca.root.key} here={text.rootHere} />],
        [text.issuerEnds, <EndAndRenewal ends={ca.issuer.not_after} renewed={ca.issuer.renew_at} />],
        [text.issuerKey, <KeyFacts view={ca.issuer.key} here={text.issuerHere} />],
        [text.serverEnds, <EndAndRenewal ends={ca.certificate.not_after} renewed={ca.certificate.renew_at} />],
        [text.serverNames, <span className="mono">{ca.certificate.names.join(" ")}</span>],
        [text.keyFile, <span className="mono">{ca.key_file}</span>],
      ]}
    />
  );
}

function KeyFacts({ view: { state, reason }, here }: { view: AuthorityKey; here: string }) {
  if (state === "here") return <>{here}</>;
  return (
    <>
      <span style={{ color: state === "away" ? "var(--attention)" : "var(--bad)", fontWeight: 500 }}>{text.keyStates[state]}</span>
      {reason && <span className="meta"> {plain(reason)}</span>}
    </>
  );
}

function EndAndRenewal({ ends, renewed }: { ends: string | null | undefined; renewed: string | null | undefined }) {
  return (
    <>
      <TimeAgo time={ends} />
      {renewed && (
        <span className="meta">
          {" "}
          {text.renewed} <TimeAgo time={renewed} />
        </span>
      )}
    </>
  );
}

function Missing({ doing, error, onRetry }: { doing: string; error: unknown; onRetry: () => void }) {
  return error ? <ErrorCard doing={doing} error={error} onRetry={onRetry} /> : <BlockSkeleton height={120} />;
}
