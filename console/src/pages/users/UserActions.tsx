import { ActionIcon, Button, Menu, Modal, NativeSelect } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { IconDotsVertical } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import { act } from "../../api/queries";
import type { Role, User } from "../../api/types";
import { ErrorCard } from "../../parts/Notice/Notice";
import { OnceLink } from "../../parts/OnceLink/OnceLink";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import { text } from "./text";

/** What somebody wants to do with a user, before it is confirmed. */
export interface Asked {
  what: "role" | "disable" | "link" | "totp";
  user: User;
}

/** Enabling can be taken back at once and needs no question; the others ask. */
export function UserMenu({ user, onAsk }: { user: User; onAsk: (asked: Asked) => void }) {
  const client = useQueryClient();
  const enable = useMutation({
    mutationFn: () => act.userChange(user.name, { disabled: false }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      toast(text.enabledDone(user.name));
    },
  });
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={text.actionsOf(user.name)}>
          <IconDotsVertical size={16} stroke={1.5} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Entry can={user.can.role} onClick={() => onAsk({ what: "role", user })}>
          {text.changeRole}
        </Entry>
        <Entry can={user.can.link} onClick={() => onAsk({ what: "link", user })}>
          {text.link}
        </Entry>
        {user.totp && (
          <Entry can={user.can.totp_reset} onClick={() => onAsk({ what: "totp", user })}>
            {text.totpReset}
          </Entry>
        )}
        {user.disabled ? (
          <Entry can={user.can.enable} onClick={() => enable.mutate()}>
            {text.enable}
          </Entry>
        ) : (
          <Entry can={user.can.disable} onClick={() => onAsk({ what: "disable", user })}>
            {text.disable}
          </Entry>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

function Entry({ can = true, onClick, children }: { can?: boolean | string; onClick: () => void; children: ReactNode }) {
  if (can === true) return <Menu.Item onClick={onClick}>{children}</Menu.Item>;
  return (
    <Menu.Item aria-disabled closeMenuOnClick={false} c="var(--text-2)">
      {children}
      <span className="meta" style={{ display: "block" }}>
        {typeof can === "string" ? can : words.notAllowed}
      </span>
    </Menu.Item>
  );
}

export function UserDialog({ asked: { what, user }, onClose }: { asked: Asked; onClose: () => void }) {
  const title = { role: text.changeRoleTitle, disable: text.disableTitle, link: text.linkTitle, totp: text.totpResetTitle }[what](user.name);
  const Body = { role: ChangeRole, disable: Disable, link: NewLink, totp: ResetTotp }[what];
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": words.close }}>
      <Body user={user} onClose={onClose} />
    </Modal>
  );
}

interface BodyProps {
  user: User;
  onClose: () => void;
}

function ChangeRole({ user, onClose }: BodyProps) {
  const [role, setRole] = useState<Role>(user.role);
  const change = useChange(() => act.userChange(user.name, { role }), text.roleDone(user.name, role), onClose);
  return (
    <Question lead={text.changeRoleLead} verb={text.changeRoleVerb} doing={text.doingRole} error={change.error} loading={change.isPending} onDo={() => change.mutate()} onClose={onClose}>
      <NativeSelect
        data-autofocus
        label={text.role}
        value={role}
        onChange={(event) => setRole(event.currentTarget.value as Role)}
        data={Object.entries(text.roles).map(([value, label]) => ({ value, label }))}
      />
    </Question>
  );
}

function Disable({ user, onClose }: BodyProps) {
  const change = useChange(() => act.userChange(user.name, { disabled: true }), text.disabledDone(user.name), onClose);
  return <Question lead={text.disableLead(user.sessions)} verb={text.disableVerb} doing={text.doingDisable} error={change.error} loading={change.isPending} onDo={() => change.mutate()} onClose={onClose} />;
}

function ResetTotp({ user, onClose }: BodyProps) {
  const change = useChange(() => act.userTotpReset(user.name), text.totpResetDone(user.name), onClose);
  return <Question lead={text.totpResetLead} verb={text.totpResetVerb} doing={text.doingTotpReset} error={change.error} loading={change.isPending} onDo={() => change.mutate()} onClose={onClose} />;
}

function NewLink({ user, onClose }: BodyProps) {
  const make = useMutation({ mutationFn: () => act.userLink(user.name) });
  if (make.data) return <OnceLink user={user.name} link={make.data} onDone={onClose} />;
  return <Question lead={text.linkLead} verb={text.linkVerb} doing={text.doingLink} error={make.error} loading={make.isPending} onDo={() => make.mutate()} onClose={onClose} />;
}

function useChange(change: () => Promise<unknown>, done: string, onClose: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["users"] });
      toast(done);
      onClose();
    },
  });
}

interface QuestionProps {
  lead: string;
  verb: string;
  doing: string;
  error: unknown;
  loading: boolean;
  onDo: () => void;
  onClose: () => void;
  children?: ReactNode;
}

function Question({ lead, verb, doing, error, loading, onDo, onClose, children }: QuestionProps) {
  return (
    <div style={{ display: "grid", gap: 12 }}>
      <p>{lead}</p>
      {children}
      {error !== null && <ErrorCard doing={doing} error={error} />}
      <div style={{ display: "flex", gap: 8 }}>
        <Button variant="filled" loading={loading} onClick={onDo}>
          {verb}
        </Button>
        <Button onClick={onClose}>{words.cancel}</Button>
      </div>
    </div>
  );
}
