import { Button, Drawer, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { firewallAct, type Imported } from "../../api/firewall";
import { Untrusted } from "../../parts/Command/Command";
import { useOpened } from "../../parts/Late/useOpened";
import { Lines } from "../../parts/Lines/Lines";
import { ErrorCard } from "../../parts/Notice/Notice";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import { banLines } from "./bans";
import { text } from "./text";

const REFUSED_SHOWN = 20;

/** Many bans at once: pasted, looked at by the server, then imported. */
export default function ImportDrawer({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Drawer opened={useOpened(opened)} onClose={onClose} position="right" size={560} title={text.import.title} closeButtonProps={{ "aria-label": words.close }}>
      <ImportForm onDone={onClose} />
    </Drawer>
  );
}

function ImportForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const bans = banLines(typed).map((ban) => ({ ...ban, ...(ban.reason || reason.trim() === "" ? {} : { reason: reason.trim() }) }));
  const look = useMutation({ mutationFn: () => firewallAct.bansImport(bans, true) });
  const send = useMutation({
    mutationFn: () => firewallAct.bansImport(bans, false),
    onSuccess: async ({ added }) => {
      toast(text.import.done(added));
      onDone();
      await client.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (bans.length > 0) look.mutate();
  };
  const change = (set: (value: string) => void) => (value: string) => {
    set(value);
    look.reset();
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <Lines label={text.import.lines(bans.length)} description={text.import.note} rows={12} value={typed} onChange={change(setTyped)} />
      <TextInput label={text.import.reason} description={text.import.reasonNote} value={reason} onChange={(event) => change(setReason)(event.currentTarget.value)} />
      {look.error && <ErrorCard doing={text.import.doingLook} error={look.error} />}
      {send.error && <ErrorCard doing={text.import.doingSend} error={send.error} />}
      {look.data && <Result result={look.data} />}
      <div style={{ display: "flex", gap: 8 }}>
        {look.data ? (
          <Button variant="filled" loading={send.isPending} disabled={look.data.added === 0} onClick={() => send.mutate()}>
            {text.import.send(look.data.added)}
          </Button>
        ) : (
          <Button type="submit" variant="filled" loading={look.isPending} disabled={bans.length === 0}>
            {text.import.look}
          </Button>
        )}
        <Button onClick={onDone}>{words.cancel}</Button>
      </div>
    </form>
  );
}

function Result({ result }: { result: Imported }) {
  const refused = result.refused_total ?? result.refused.length;
  return (
    <div role="status">
      <p>{text.import.result(result.added, refused, result.aggregated)}{result.dropped ? ` ${text.import.dropped(result.dropped)}` : ""}</p>
      {result.refused.length > 0 && (
        <ul>
          {result.refused.slice(0, REFUSED_SHOWN).map((row) => (
            <li key={row.address}>
              <span className="mono">
                <Untrusted>{row.address}</Untrusted>
              </span>{" "}
              <span className="meta">
                <Untrusted>{row.why}</Untrusted>
              </span>
            </li>
          ))}
          {refused > REFUSED_SHOWN && <li className="meta">{text.import.more(refused - REFUSED_SHOWN)}</li>}
        </ul>
      )}
    </div>
  );
}
