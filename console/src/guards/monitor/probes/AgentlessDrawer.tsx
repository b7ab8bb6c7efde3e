import { Drawer } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Agentless, agentlessQuery, monitorAct } from "../../../api/monitor";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Command, Untrusted } from "../../../parts/Command/Command";
import { useOpened } from "../../../parts/Late/useOpened";
import { BlockSkeleton, ErrorCard } from "../../../parts/Notice/Notice";
import { Facts } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { toast } from "../../../parts/Toasts/Toasts";
import { text as words } from "../../../parts/text";
import { text } from "./text";

/** How a host without an agent is let in: one line there, one look at its key here. */
export default function AgentlessDrawer({ host, onClose }: { host: string | null; onClose: () => void }) {
  const { data, error, refetch } = useQuery({ ...agentlessQuery(host ?? ""), enabled: host !== null });
  return (
    <Drawer opened={useOpened(host !== null)} onClose={onClose} position="right" size={600} title={text.setUpOf(host ?? "")} closeButtonProps={{ "aria-label": words.close }}>
      {error && data === undefined ? <ErrorCard doing={text.doingAgentless} error={error} onRetry={() => void refetch()} /> : data === undefined ? <BlockSkeleton height={320} /> : <SetUp agentless={data} />}
    </Drawer>
  );
}

function SetUp({ agentless: { host, address, authorized_line, host_key, shown_key, last } }: { agentless: Agentless }) {
  const client = useQueryClient();
  const pinned = host_key?.pinned_at ? host_key : null;
  // What waits for a look: a key that is not the pinned one.
  const seen = shown_key ?? (pinned ? null : host_key);
  const can = useCan("operator");
  const pin = useMutation({
    mutationFn: (fingerprint: string) => monitorAct.agentlessPin(host, fingerprint),
    onSuccess: async () => {
      toast(text.pinDone(host));
      await client.invalidateQueries({ queryKey: ["monitor/agentless"] });
    },
  });
  return (
    <div style={{ display: "grid", gap: 16, gridTemplateColumns: "minmax(0, 1fr)" }}>
      <p>{text.step1}</p>
      <Command command={authorized_line} note={text.lineOf(host)} what={text.line} />
      <p>{text.step2}</p>
      <Command command={text.checkCommand} on={host} />
      <Facts
        pairs={[
          [text.address, <span className="mono"><Untrusted>{address}</Untrusted></span>],
          [text.hostKey, seen ? <span className="mono">{seen.fingerprint}</span> : host_key ? null : <span className="meta">{text.hostKeyNone}</span>],
          [text.pinnedKey, pinned ? <span className="mono">{pinned.fingerprint}</span> : null],
          [text.pinned, pinned?.pinned_at ? <TimeAgo time={pinned.pinned_at} /> : null],
          [text.lastRead, last ? <LastRead last={last} /> : null],
        ]}
      />
      {pin.error && <ErrorCard doing={text.doingPin} error={pin.error} />}
      {seen && (
        <div>
          <Action variant="filled" can={can} loading={pin.isPending} onClick={() => pin.mutate(seen.fingerprint)}>
            {text.pin}
          </Action>
        </div>
      )}
    </div>
  );
}

function LastRead({ last }: { last: NonNullable<Agentless["last"]> }) {
  return (
    <>
      <TimeAgo time={last.at} /> {last.ok ? text.ok : <span style={{ color: "var(--bad)" }}>{text.failed}{last.error && <>: <Untrusted>{last.error}</Untrusted></>}</span>}
    </>
  );
}
