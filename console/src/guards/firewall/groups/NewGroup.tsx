import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import type { Selector } from "../../../api/firewall";
import { to } from "../../../paths";
import { newDraft } from "./draft";
import { SelectorFields } from "./Members";
import { keepDraft } from "./stored";
import { text } from "./text";

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** A new group begins as a draft: name and members, then its rules on its own page. */
export function NewGroup({ taken }: { taken: string[] }) {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [members, setMembers] = useState<Selector>({});
  const [asked, setAsked] = useState(false);
  const problem = taken.includes(name.trim()) ? text.newForm.taken : NAME.test(name.trim()) ? undefined : text.newForm.nameWrong;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (problem !== undefined) return;
    keepDraft(name.trim(), newDraft({ members, rules: [] }));
    void navigate(to.group(name.trim()));
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <TextInput data-autofocus label={text.newForm.name} description={text.newForm.nameNote} value={name} onChange={(event) => setName(event.currentTarget.value)} error={asked ? problem : undefined} styles={{ input: { fontFamily: "var(--mono)" } }} autoComplete="off" spellCheck={false} />
      <SelectorFields value={members} onChange={setMembers} />
      <div>
        <Button type="submit" variant="filled">
          {text.newForm.make}
        </Button>
      </div>
    </form>
  );
}
