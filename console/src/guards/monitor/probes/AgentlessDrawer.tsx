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

function SetUp({ agentless: { host, address, authorized_line, host_key, last } }: { agentless: Agentless }) {
  const client = useQueryClient();
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
          [text.hostKey, host_key ? <span className="mono">{host_key.fingerprint}</span> : <span className="meta">{text.hostKeyNone}</span>],
          [text.pinned, host_key?.pinned_at ? <TimeAgo time={host_key.pinned_at} /> : null],
          [text.lastRead, last ? <LastRead last={last} /> : null],
        ]}
      />
      {pin.error && <ErrorCard doing={text.doingPin} error={pin.error} />}
      {host_key && !host_key.pinned_at && (
        <div>
          <Action variant="filled" can={can} loading={pin.isPending} onClick={() => pin.mutate(host_key.fingerprint)}>
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
