import { Button, Drawer, Modal } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useReducer, useState } from "react";
import { useSearchParams } from "react-router";
import { act, useList } from "../../api/queries";
import type { Token } from "../../api/types";
import { Action, ActionLink } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { changed } from "../../paths";
import { MakeToken } from "./MakeToken";
import { TokenTabs } from "./TokenTabs";
import { text } from "./text";

export default function TokensPage() {
  const [search, setSearch] = useSearchParams();
  const [removing, setRemoving] = useState<Token | null>(null);
  const [deleted, countDeleted] = useReducer((n: number) => n + 1, 0);
  const list = useList("tokens");
  const can = useCan("admin");
  const close = () => setSearch(changed(search, { show: null }), { preventScrollReset: true });
  const add = changed(search, { show: "add" });
  const columns: Column<Token>[] = [
    { key: "name", title: text.name, kind: "mono", phone: "first", cell: (token) => token.name },
    { key: "role", title: text.role, fit: true, cell: (token) => token.role },
    { key: "created_by", title: text.by, fit: true, from: "middle", phone: "hide", cell: (token) => token.created_by },
    { key: "created_at", title: text.created, fit: true, from: "middle", phone: "hide", cell: (token) => <TimeAgo time={token.created_at} dense /> },
    { key: "used_at", title: text.used, fit: true, cell: (token) => <Used token={token} /> },
    { key: "expires_at", title: text.ends, fit: true, cell: (token) => <TimeAgo time={token.expires_at} dense /> },
    {
      key: "remove",
      title: "",
      fit: true,
      cell: (token) => (
        <Button variant="subtle" aria-label={text.removeOf(token.name)} onClick={() => setRemoving(token)}>
          {text.remove}
        </Button>
      ),
    },
  ];
  return (
    <Page title={text.tokens} lead={text.lead} actions={can === true ? <ActionLink to={add}>{text.make}</ActionLink> : <Action can={can}>{text.make}</Action>}>
      <TokenTabs current="tokens" />
      <DataTable
        label={text.tokens}
        columns={columns}
        {...listProps(list)}
        identity={`${list.identity} ${deleted}`}
        idOf={(token) => token.name}
        doing={text.doing}
        command="palisade api-token list --output json"
        empty={
          <EmptyState title={text.empty} action={<ActionLink to={add}>{text.make}</ActionLink>}>
            {text.emptyLead}
          </EmptyState>
        }
      />
      <Drawer opened={search.get("show") === "add"} onClose={close} position="right" size={520} title={text.make} closeButtonProps={{ "aria-label": words.close }}>
        <MakeToken onDone={close} />
      </Drawer>
      <Modal opened={removing !== null} onClose={() => setRemoving(null)} title={removing && text.removeTitle(removing.name)} closeButtonProps={{ "aria-label": words.close }}>
        {removing && <Remove token={removing} onDone={() => setRemoving(null)} onDeleted={countDeleted} />}
      </Modal>
    </Page>
  );
}

function Used({ token }: { token: Token }) {
  if (!token.used_at) return <span className="meta">{text.usedNever}</span>;
  return (
    <>
      <TimeAgo time={token.used_at} dense /> <span className="meta mono">{token.used_from}</span>
    </>
  );
}

function Remove({ token, onDone, onDeleted }: { token: Token; onDone: () => void; onDeleted: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => act.tokenDelete(token.name),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["tokens"] });
      onDeleted();
      onDone();
    },
  });
  return (
    <div style={{ display: "grid", gap: 12 }}>
      <p>{text.removeLead}</p>
      {remove.error && <ErrorCard doing={text.doingRemove} error={remove.error} />}
      <div style={{ display: "flex", gap: 8 }}>
        <Button variant="filled" loading={remove.isPending} onClick={() => remove.mutate()}>
          {text.removeOf(token.name)}
        </Button>
        <Button onClick={onDone}>{words.cancel}</Button>
      </div>
    </div>
  );
}
