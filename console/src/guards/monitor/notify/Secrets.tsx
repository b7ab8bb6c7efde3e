import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useReducer, useState } from "react";
import { monitorAct, type SecretView } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { toast } from "../../../parts/Toasts/Toasts";
import classes from "./Notify.module.css";
import { text } from "./text";

/** Signing keys, passwords and secret addresses: set here, never shown again. */
export function Secrets() {
  const client = useQueryClient();
  const can = useCan("admin");
  const [gone, countGone] = useReducer((n: number) => n + 1, 0);
  const list = useList("monitor/secrets", {});
  const remove = useMutation({
    mutationFn: (secret: string) => monitorAct.secretDelete(secret),
    onSuccess: async (_answer, secret) => {
      toast(text.secretDeleted(secret));
      countGone();
      await client.invalidateQueries({ queryKey: ["monitor/secrets"] });
    },
  });
  const columns: Column<SecretView>[] = [
    { key: "name", title: text.name, kind: "mono", phone: "first", cell: (row) => row.name },
    {
      key: "delete",
      title: "",
      fit: true,
      cell: (row) => (
        <Action variant="subtle" can={can} aria-label={text.deleteSecret(row.name)} onClick={() => remove.mutate(row.name)}>
          {text.delete}
        </Action>
      ),
    },
  ];
  return (
    <Card title={text.secrets} aside={<span className="meta">{text.secretsLead}</span>}>
      <DataTable {...listProps(list)} bare plain label={text.secrets} identity={`${list.identity} ${gone}`} columns={columns} idOf={(row) => row.name} doing={text.doingSecrets} empty={<EmptyState title={text.emptySecrets} />} />
      {remove.error && <ErrorCard doing={text.deleteSecret(remove.variables)} error={remove.error} />}
      <SetSecret can={can} />
    </Card>
  );
}

function SetSecret({ can }: { can: true | string }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState({ name: "", value: "" });
  const [asked, setAsked] = useState(false);
  const incomplete = draft.name.trim() === "" || draft.value === "";
  const set = useMutation({
    mutationFn: () => monitorAct.secretPut(draft.name.trim(), draft.value),
    onSuccess: async () => {
      toast(text.secretSet(draft.name));
      setDraft({ name: "", value: "" });
      setAsked(false);
      await client.invalidateQueries({ queryKey: ["monitor/secrets"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (!incomplete) set.mutate();
  };
  if (can !== true) {
    return (
      <div className={classes.secret}>
        <Action can={can}>{text.setSecret}</Action>
      </div>
    );
  }
  return (
    <form onSubmit={submit} className={classes.secret} noValidate>
      <TextInput label={text.secretName} value={draft.name} onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })} autoComplete="off" spellCheck={false} styles={{ input: { fontFamily: "var(--mono)" } }} />
      <PasswordInput label={text.secretValue} value={draft.value} onChange={(event) => setDraft({ ...draft, value: event.currentTarget.value })} autoComplete="new-password" error={asked && incomplete ? text.secretNeeded : undefined} />
      <Button type="submit" loading={set.isPending}>
        {text.setSecret}
      </Button>
      {set.error && <ErrorCard doing={text.doingSecret} error={set.error} />}
    </form>
  );
}
