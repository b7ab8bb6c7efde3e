import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type AlarmView, monitorAct } from "../../../api/monitor";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { ErrorCard } from "../../../parts/Notice/Notice";
import { toast } from "../../../parts/Toasts/Toasts";
import { text as words } from "../../../parts/text";
import classes from "./Alarms.module.css";
import { text } from "./text";

/** Acknowledge (at once, with its undo) and silence (how long, and why). */
export function AlarmActions({ alarm }: { alarm: AlarmView }) {
  const client = useQueryClient();
  const operator = useCan("operator");
  const [form, setForm] = useState<"acknowledge" | "silence" | null>(null);
  const [draft, setDraft] = useState({ note: "", for: "1h", reason: "" });
  const [asked, setAsked] = useState(false);
  const done = async (message: string, undo?: { label: string; run: () => void }) => {
    toast(message, undo);
    setForm(null);
    await client.invalidateQueries();
  };
  const take = useMutation({ mutationFn: () => monitorAct.unacknowledge(alarm.id), onSuccess: () => done(text.done.taken) });
  const acknowledge = useMutation({
    mutationFn: () => monitorAct.acknowledge(alarm.id, draft.note.trim()),
    onSuccess: () => done(text.done.acknowledged, { label: text.undo, run: () => take.mutate() }),
  });
  const silence = useMutation({ mutationFn: () => monitorAct.silence(alarm.id, { for: draft.for, reason: draft.reason.trim() }), onSuccess: () => done(text.done.silenced) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (form === "acknowledge") acknowledge.mutate();
    else if (draft.reason.trim() !== "") silence.mutate();
  };
  const ended = alarm.state === "resolved" || alarm.state === "expired";
  if (ended) return null;
  return (
    <div className={classes.actions}>
      {form === null && (
        <div className={classes.badges}>
          {alarm.acknowledged ? (
            <Action can={alarm.can?.acknowledge ?? operator} loading={take.isPending} onClick={() => take.mutate()}>
              {text.unacknowledge}
            </Action>
          ) : (
            <Action variant="filled" can={alarm.can?.acknowledge ?? operator} onClick={() => setForm("acknowledge")}>
              {`${text.acknowledge}…`}
            </Action>
          )}
          <Action can={alarm.can?.silence ?? operator} onClick={() => setForm("silence")}>
            {`${text.silence}…`}
          </Action>
        </div>
      )}
      {form !== null && (
        <form onSubmit={submit} className={classes.form} noValidate>
          {form === "acknowledge" && <TextInput autoFocus label={text.acknowledgeNote} value={draft.note} onChange={(event) => setDraft({ ...draft, note: event.currentTarget.value })} />}
          {form === "silence" && (
            <>
              <NativeSelect autoFocus label={text.silenceFor} value={draft.for} data={Object.entries(text.times).map(([value, label]) => ({ value, label }))} onChange={(event) => setDraft({ ...draft, for: event.currentTarget.value })} />
              <TextInput label={text.silenceReason} value={draft.reason} error={asked && draft.reason.trim() === "" ? text.reasonNeeded : undefined} onChange={(event) => setDraft({ ...draft, reason: event.currentTarget.value })} />
            </>
          )}
          <div className={classes.badges}>
            <Button type="submit" variant="filled" loading={acknowledge.isPending || silence.isPending}>
              {form === "acknowledge" ? text.acknowledge : text.silence}
            </Button>
            <Button onClick={() => setForm(null)}>{words.cancel}</Button>
          </div>
        </form>
      )}
      {(acknowledge.error ?? take.error) && <ErrorCard doing={text.doingAcknowledge} error={acknowledge.error ?? take.error} />}
      {silence.error && <ErrorCard doing={text.doingSilence} error={silence.error} />}
    </div>
  );
}
