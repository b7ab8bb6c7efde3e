import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { act } from "../../api/queries";
import type { HostDetail } from "../../api/types";
import { Action } from "../../parts/Action/Action";
import { ErrorCard } from "../../parts/Notice/Notice";
import { TypeName } from "../../parts/TypeName/TypeName";
import { toast } from "../../parts/Toasts/Toasts";
import { text } from "./text";

/** What can be done with a host as a whole; what may not be done is shown with its reason. */
export function HostActions({ host, onEdit }: { host: HostDetail; onEdit: () => void }) {
  const [ending, setEnding] = useState<"retire" | "revoke" | null>(null);
  const look = useMutation({ mutationFn: () => act.hostLook(host.name), onSuccess: () => toast(text.looking(host.name)) });
  return (
    <>
      <Action can={host.can.look} loading={look.isPending} onClick={() => look.mutate()}>
        {text.look}
      </Action>
      <Action can={host.can.tag} onClick={onEdit}>
        {text.edit}
      </Action>
      <Action can={host.can.retire} onClick={() => setEnding("retire")}>
        {text.retire}
      </Action>
      <Action can={host.can.revoke} onClick={() => setEnding("revoke")}>
        {text.revoke}
      </Action>
      {look.error && <ErrorCard doing={text.doingLook} error={look.error} />}
      {ending === "retire" && <Retire host={host.name} onClose={() => setEnding(null)} />}
      {ending === "revoke" && <Revoke host={host.name} onClose={() => setEnding(null)} />}
    </>
  );
}

function Retire({ host, onClose }: { host: string; onClose: () => void }) {
  const retire = useEnd(() => act.hostRetire(host), text.retiredDone(host), onClose);
  return (
    <TypeName title={text.retireTitle(host)} name={host} verb={text.retireVerb} doing={text.doingRetire} loading={retire.isPending} error={retire.error} onDo={() => retire.mutate("")} onClose={onClose}>
      <p>
        {text.retireLead} {text.retireAgain}
      </p>
    </TypeName>
  );
}

function Revoke({ host, onClose }: { host: string; onClose: () => void }) {
  const revoke = useEnd((reason) => act.hostRevoke(host, reason), text.revokedDone(host), onClose);
  return (
    <TypeName
      title={text.revokeTitle(host)}
      name={host}
      verb={text.revokeVerb}
      doing={text.doingRevoke}
      withReason={text.revokeReason}
      loading={revoke.isPending}
      error={revoke.error}
      onDo={revoke.mutate}
      onClose={onClose}
    >
      <p>{text.revokeLead}</p>
    </TypeName>
  );
}

function useEnd(end: (reason: string) => Promise<unknown>, done: string, onClose: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: end,
    onSuccess: async () => {
      await client.invalidateQueries();
      toast(done);
      onClose();
    },
  });
}
