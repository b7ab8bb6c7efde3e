import { NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { act } from "../../api/queries";
import type { Role } from "../../api/types";
import { Action } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { ErrorCard } from "../../parts/Notice/Notice";
import { OnceLink } from "../../parts/OnceLink/OnceLink";
import { text } from "./text";

/** Name and role; then the link with which the user sets a password. */
export function MakeUser({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const can = useCan("admin");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [asked, setAsked] = useState(false);
  const make = useMutation({
    mutationFn: () => act.userMake({ name: name.trim(), role }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["users"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (name.trim() !== "") make.mutate();
  };
  if (make.data?.link) return <OnceLink user={make.data.name} link={make.data.link} onDone={onDone} />;
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <p>{text.makeLead}</p>
      <TextInput
        data-autofocus
        label={text.name}
        description={text.nameNote}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={asked && name.trim() === "" ? text.nameNeeded : undefined}
        autoComplete="off"
        spellCheck={false}
      />
      <NativeSelect label={text.role} value={role} onChange={(event) => setRole(event.currentTarget.value as Role)} data={Object.entries(text.roles).map(([value, label]) => ({ value, label }))} />
      {make.error && <ErrorCard doing={text.doingMake} error={make.error} />}
      <div>
        <Action type="submit" variant="filled" can={can} loading={make.isPending}>
          {text.make}
        </Action>
      </div>
    </form>
  );
}
