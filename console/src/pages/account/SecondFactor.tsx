import { Button, Modal, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { accountQuery, act } from "../../api/queries";
import type { TotpStarted } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { save } from "../../parts/DataTable/export";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import classes from "./AccountPage.module.css";
import { pictureOf } from "./picture";
import { text } from "./text";

/** Off → scan and confirm → recovery codes, once → on. */
export function SecondFactor() {
  const client = useQueryClient();
  const account = useQuery(accountQuery);
  const [recovery, setRecovery] = useState<string[] | null>(null);
  const [removing, setRemoving] = useState(false);
  const start = useMutation({ mutationFn: act.totpStart });
  const refresh = () => client.invalidateQueries({ queryKey: accountQuery.queryKey });
  if (recovery) return <Recovery codes={recovery} onDone={() => setRecovery(null)} />;
  if (start.data) {
    const confirmed = (codes: string[]) => {
      setRecovery(codes);
      start.reset();
      void refresh();
    };
    return <Confirm started={start.data} onConfirmed={confirmed} onCancel={start.reset} />;
  }
  if (account.data === undefined) return account.error ? <ErrorCard doing={text.doingAccount} error={account.error} onRetry={() => void account.refetch()} /> : <BlockSkeleton height={72} />;
  const { totp: on, recovery_left } = account.data;
  return (
    <div className={classes.form}>
      <p>{on ? `${text.totpOn} ${text.recoveryLeft(recovery_left)}` : text.totpOff}</p>
      {start.error && <ErrorCard doing={text.doingStart} error={start.error} />}
      <div className={classes.buttons}>
        {!on && (
          <Button loading={start.isPending} onClick={() => start.mutate()}>
            {text.start}
          </Button>
        )}
        {on && <Button onClick={() => setRemoving(true)}>{text.remove}</Button>}
      </div>
      <Modal opened={removing} onClose={() => setRemoving(false)} title={text.removeTitle} closeButtonProps={{ "aria-label": words.close }}>
        <Remove
          onDone={() => {
            setRemoving(false);
            void refresh();
          }}
        />
      </Modal>
    </div>
  );
}

function Confirm({ started, onConfirmed, onCancel }: { started: TotpStarted; onConfirmed: (codes: string[]) => void; onCancel: () => void }) {
  const [code, setCode] = useState("");
  const [asked, setAsked] = useState(false);
  const whole = /^\d{6}$/.test(code.replaceAll(" ", ""));
  const confirm = useMutation({ mutationFn: () => act.totpConfirm(code.replaceAll(" ", "")), onSuccess: ({ recovery }) => onConfirmed(recovery) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (whole) confirm.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <p>{text.scan}</p>
      {/* as a picture: what the server drew can neither run nor load anything */}
      <img className={classes.qr} src={pictureOf(started.qr_svg)} alt={text.qr} />
      <Command command={started.secret} note={text.secret} what={text.secret} />
      <TextInput
        label={text.code}
        description={text.codeNote}
        value={code}
        onChange={(event) => setCode(event.currentTarget.value)}
        error={asked && !whole ? text.needCode : undefined}
        autoComplete="one-time-code"
        inputMode="numeric"
        autoFocus
      />
      {confirm.error && <ErrorCard doing={text.doingConfirm} error={confirm.error} />}
      <div className={classes.buttons}>
        <Button type="submit" variant="filled" loading={confirm.isPending}>
          {text.confirm}
        </Button>
        <Button onClick={onCancel}>{words.cancel}</Button>
      </div>
    </form>
  );
}

function Recovery({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  const lines = codes.join("\n");
  return (
    <div className={classes.form} role="status">
      <p>{text.recoveryLead(codes.length)}</p>
      <Command command={lines} note={text.recovery} what={text.recovery} />
      <div className={classes.buttons}>
        <Button onClick={() => save("palisade-recovery-codes.txt", "text/plain", `${lines}\n`)}>{text.save}</Button>
        <Button variant="filled" onClick={onDone}>
          {text.done}
        </Button>
      </div>
    </div>
  );
}

function Remove({ onDone }: { onDone: () => void }) {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const remove = useMutation({
    mutationFn: () => act.totpRemove({ password, code: code.trim() }),
    onSuccess: () => {
      toast(text.removed);
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    remove.mutate();
  };
  return (
    <form style={{ display: "grid", gap: 12 }} onSubmit={submit} noValidate>
      <p>{text.removeLead}</p>
      <PasswordInput data-autofocus label={text.password} autoComplete="current-password" value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      <TextInput label={text.removeCode} autoComplete="one-time-code" value={code} onChange={(event) => setCode(event.currentTarget.value)} />
      {remove.error && <ErrorCard doing={text.doingRemove} error={remove.error} />}
      <div className={classes.buttons}>
        <Button type="submit" variant="filled" loading={remove.isPending}>
          {text.removeVerb}
        </Button>
      </div>
    </form>
  );
}
