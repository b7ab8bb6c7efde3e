import { Drawer } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";
import { groupQuery, type MatrixPort } from "../../../api/firewall";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { useOpened } from "../../../parts/Late/useOpened";
import { ErrorCard } from "../../../parts/Notice/Notice";
import { Facts } from "../../../parts/Page/Page";
import { text as parts } from "../../../parts/text";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { toast } from "../../../parts/Toasts/Toasts";
import { to } from "../../../paths";
import { draftOf, withRule } from "../groups/draft";
import { keepDraft, readDraft } from "../groups/stored";
import { ruleOf, type Shown, stateOf } from "./grid";
import { Sign } from "./Sign";
import { text } from "./text";

/** One port of one host: what listens, what decides, and the way to shut it. */
export default function CellDrawer({ opened, shown, onClose }: { opened: boolean; shown: Shown | null; onClose: () => void }) {
  const title = shown ? `${shown.host.host} ${shown.port.protocol}/${shown.port.port}` : text.exposure;
  return (
    <Drawer opened={useOpened(opened)} onClose={onClose} position="right" size={480} title={title} closeButtonProps={{ "aria-label": parts.close }}>
      {shown ? <Cell shown={shown} /> : <p>{text.drawer.gone}</p>}
    </Drawer>
  );
}

function Cell({ shown: { host, port, cell } }: { shown: Shown }) {
  const state = stateOf(host, cell);
  const rule = ruleOf(cell?.rule);
  return (
    <div style={{ display: "grid", gap: 16 }}>
      <Facts
        pairs={[
          [
            text.drawer.state,
            <span key="state" style={{ display: "inline-flex", gap: 8, alignItems: "center" }}>
              <Sign state={state} risk={port.high_risk} />
              {text.states[state]}
              {port.high_risk && ` · ${text.highRisk}`}
            </span>,
          ],
          [text.drawer.service, port.service],
          [text.drawer.process, cell?.process && <span className="mono"><Untrusted>{cell.process}</Untrusted></span>],
          [text.drawer.package, cell?.package && <span className="mono">{cell.package}</span>],
          [text.drawer.rule, cell?.rule && (rule ? <Link className="mono" to={to.group(rule.group)}>{cell.rule}</Link> : <span className="mono">{cell.rule}</span>)],
          [text.drawer.path, cell?.path && text.drawer.paths[cell.path]],
          [text.drawer.observed, host.observed_at && <TimeAgo time={host.observed_at} />],
        ]}
      />
      {cell && ["world", "private", "named", "allowed_unused"].includes(cell.state) && (rule ? <CloseIt group={rule.group} port={port} /> : <p className="meta">{text.drawer.closeNone}</p>)}
      <div style={{ display: "flex", flexWrap: "wrap", gap: 8 }}>
        <ActionLink to={to.host(host.host, "firewall")}>{text.drawer.toHost}</ActionLink>
        {!rule && <ActionLink to={to.groups()}>{text.drawer.toGroups}</ActionLink>}
      </div>
    </div>
  );
}

/** Begins or goes on with the draft of the group: what it does is seen in its plan, before it is done. */
function CloseIt({ group, port }: { group: string; port: MatrixPort }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const can = useCan("operator");
  const close = useMutation({
    mutationFn: () => client.fetchQuery(groupQuery(group)),
    onSuccess: (detail) => {
      const draft = readDraft(group) ?? draftOf(detail.version, detail.spec);
      const protocol = port.protocol === "udp" ? "udp" : "tcp";
      keepDraft(group, withRule(draft, null, { direction: "in", priority: 1, action: "deny", protocol, ports: [String(port.port)], peers: ["any"] }));
      toast(text.drawer.closing(group));
      void navigate(to.group(group));
    },
  });
  return (
    <>
      <p className="meta">{text.drawer.closeLead(group)}</p>
      {close.error && <ErrorCard doing={text.drawer.doingClose} error={close.error} />}
      <div>
        <Action variant="filled" can={can} loading={close.isPending} onClick={() => close.mutate()}>
          {text.drawer.close}
        </Action>
      </div>
    </>
  );
}
