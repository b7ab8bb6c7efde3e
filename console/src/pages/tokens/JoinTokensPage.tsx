import { Button, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useReducer, useState } from "react";
import { act, useList } from "../../api/queries";
import type { JoinToken } from "../../api/types";
import { Action, ActionLink } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { HostLink } from "../../parts/HostLink/HostLink";
import { EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { Tags } from "../../parts/Tags/Tags";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { to } from "../../paths";
import { serverNow } from "../../words/now";
import { text } from "./text";
import { TokenTabs } from "./TokenTabs";

const JOINED_SHOWN = 3;

export default function JoinTokensPage() {
  const [ending, setEnding] = useState<JoinToken | null>(null);
  const [ended, countEnded] = useReducer((n: number) => n + 1, 0);
  const can = useCan("admin");
  const list = useList("join-tokens");
  const columns: Column<JoinToken>[] = [
    { key: "id", title: text.id, kind: "mono", fit: true, phone: "first", cell: (token) => token.id },
    { key: "uses_left", title: text.usesLeft, kind: "number", phone: "named", cell: (token) => token.uses_left },
    { key: "expires_at", title: text.ends, fit: true, cell: (token) => <TimeAgo time={token.expires_at} dense /> },
    { key: "joined", title: text.joined, cell: (token) => <Joined hosts={token.joined} /> },
    { key: "region", title: text.region, fit: true, from: "middle", phone: "hide", cell: (token) => (token.region ? <Untrusted>{token.region}</Untrusted> : "") },
    { key: "tags", title: text.tags, fit: true, from: "wide", phone: "hide", cell: (token) => <Tags tags={token.tags} max={2} /> },
    { key: "profile", title: text.profile, fit: true, from: "wide", phone: "hide", cell: (token) => token.profile },
    { key: "created_by", title: text.by, fit: true, from: "middle", phone: "hide", cell: (token) => token.created_by },
    {
      key: "remove",
      title: "",
      fit: true,
      cell: (token) =>
        isOver(token) ? null : (
          <Action variant="subtle" can={token.can.delete ?? can} aria-label={text.endOf(token.id)} onClick={() => setEnding(token)}>
            {text.remove}
          </Action>
        ),
    },
  ];
  const add = can === true ? <ActionLink to={to.hosts({ show: "add" })}>{text.addHost}</ActionLink> : <Action can={can}>{text.addHost}</Action>;
  return (
    <Page title={text.joinTokens} lead={text.joinLead} actions={add}>
      <TokenTabs current="join-tokens" />
      <DataTable
        label={text.joinTokens}
        columns={columns}
        {...listProps(list)}
        identity={`${list.identity} ${ended}`}
        idOf={(token) => token.id}
        doing={text.doingJoin}
        isDead={isOver}
        command="palisade join-token list --output json"
        empty={
          <EmptyState title={text.emptyJoin} action={add}>
            {text.emptyJoinLead}
          </EmptyState>
        }
      />
      <Modal opened={ending !== null} onClose={() => setEnding(null)} title={ending && text.removeTitle(ending.id)} closeButtonProps={{ "aria-label": words.close }}>
        {ending && <End token={ending} onDone={() => setEnding(null)} onEnded={countEnded} />}
      </Modal>
    </Page>
  );
}

/** Used up or past its end: nobody comes in with it any more. */
function isOver(token: JoinToken): boolean {
  return token.uses_left === 0 || Date.parse(token.expires_at) <= serverNow();
}

function Joined({ hosts }: { hosts: string[] }) {
  if (hosts.length === 0) return <span className="meta">{text.joinedNone}</span>;
  return (
    <>
      {hosts.slice(0, JOINED_SHOWN).map((host) => (
        <span key={host}>
          <HostLink host={host} />{" "}
        </span>
      ))}
      {hosts.length > JOINED_SHOWN && <span className="meta">{words.moreTags(hosts.length - JOINED_SHOWN)}</span>}
    </>
  );
}

function End({ token, onDone, onEnded }: { token: JoinToken; onDone: () => void; onEnded: () => void }) {
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => act.joinTokenDelete(token.id),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["join-tokens"] });
      onEnded();
      onDone();
    },
  });
  return (
    <div style={{ display: "grid", gap: 12 }}>
      <p>{text.endLead}</p>
      {end.error && <ErrorCard doing={text.doingEnd} error={end.error} />}
      <div style={{ display: "flex", gap: 8 }}>
        <Button variant="filled" loading={end.isPending} onClick={() => end.mutate()}>
          {text.endOf(token.id)}
        </Button>
        <Button onClick={onDone}>{words.cancel}</Button>
      </div>
    </div>
  );
}
