import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { sessionQuery, useList } from "../../api/queries";
import type { User } from "../../api/types";
import { Action, ActionLink } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { changed } from "../../paths";
import { formatInteger } from "../../words/format";
import { serverNow } from "../../words/now";
import { MakeUser } from "./MakeUser";
import { RolesCard } from "./RolesCard";
import { type Asked, UserDialog, UserMenu } from "./UserActions";
import { text } from "./text";

export default function UsersPage() {
  const [search, setSearch] = useSearchParams();
  const [asked, setAsked] = useState<Asked | null>(null);
  const own = useQuery(sessionQuery).data?.name;
  const list = useList("users");
  const can = useCan("admin");
  const close = () => setSearch(changed(search, { show: null }), { preventScrollReset: true });
  const columns: Column<User>[] = [
    { key: "name", title: text.name, kind: "mono", phone: "first", cell: (user) => <Name user={user} own={user.name === own} /> },
    { key: "role", title: text.role, fit: true, cell: (user) => user.role },
    { key: "state", title: text.state, fit: true, cell: (user) => <UserState user={user} /> },
    { key: "totp", title: text.totp, fit: true, from: "middle", phone: "hide", cell: (user) => (user.totp ? text.totpOn : <span className="meta">{text.totpOff}</span>) },
    { key: "last", title: text.last, fit: true, cell: (user) => (user.last_sign_in_at ? <TimeAgo time={user.last_sign_in_at} dense /> : <span className="meta">{text.never}</span>) },
    { key: "sessions", title: text.sessions, kind: "number", from: "middle", phone: "hide", cell: (user) => formatInteger(user.sessions) },
    { key: "actions", title: "", fit: true, cell: (user) => <UserMenu user={user} onAsk={setAsked} /> },
  ];
  return (
    <Page title={text.users} lead={text.lead} actions={can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.make}</ActionLink> : <Action can={can}>{text.make}</Action>}>
      <DataTable
        label={text.users}
        columns={columns}
        {...listProps(list)}
        idOf={(user) => user.name}
        doing={text.doing}
        isDead={(user) => user.disabled}
        command="palisade user list --output json"
        empty={<EmptyState title={text.empty} />}
      />
      <RolesCard />
      <Drawer opened={search.get("show") === "add"} onClose={close} position="right" size={520} title={text.make} closeButtonProps={{ "aria-label": words.close }}>
        <MakeUser onDone={close} />
      </Drawer>
      {asked && <UserDialog asked={asked} onClose={() => setAsked(null)} />}
    </Page>
  );
}

function Name({ user, own }: { user: User; own: boolean }) {
  return (
    <>
      {user.name} {own && <span className="meta">{text.you}</span>}
    </>
  );
}

function UserState({ user }: { user: User }) {
  if (user.disabled) return <>{text.states.disabled}</>;
  if (user.locked_until && Date.parse(user.locked_until) > serverNow()) {
    return (
      <span style={{ color: "var(--attention)" }}>
        {text.locked} <TimeAgo time={user.locked_until} dense />
      </span>
    );
  }
  return <>{text.states.active}</>;
}
