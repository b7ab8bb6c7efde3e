import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { act } from "../../api/queries";
import type { Role } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { ErrorCard } from "../../parts/Notice/Notice";
import { text } from "./text";

/** Name, role and end; then the token itself, once. */
export function MakeToken({ onDone }: { onDone: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [time, setTime] = useState("90d");
  const [missing, setMissing] = useState(false);
  const make = useMutation({
    mutationFn: () => act.tokenMake({ name: name.trim(), role, for: time }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["tokens"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(name.trim() === "");
    if (name.trim() !== "") make.mutate();
  };
  if (make.data) {
    return (
      <div style={{ display: "grid", gap: 12 }} role="status">
        <p>
          <strong>{text.made}</strong> {text.madeNote}
        </p>
        <Command command={make.data.token} note={text.onClient} />
        <div>
          <Button variant="filled" onClick={onDone}>
            {text.done}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <TextInput
        data-autofocus
        label={text.name}
        description={text.nameNote}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={missing && name.trim() === "" ? text.nameNeeded : undefined}
        autoComplete="off"
        spellCheck={false}
      />
      <NativeSelect label={text.role} value={role} onChange={(event) => setRole(event.currentTarget.value as Role)} data={Object.entries(text.roles).map(([value, label]) => ({ value, label }))} />
      <NativeSelect label={text.time} value={time} onChange={(event) => setTime(event.currentTarget.value)} data={Object.entries(text.times).map(([value, label]) => ({ value, label }))} />
      {make.error && <ErrorCard doing={text.doingMake} error={make.error} />}
      <div>
        <Button type="submit" variant="filled" loading={make.isPending}>
          {text.make}
        </Button>
      </div>
    </form>
  );
}
