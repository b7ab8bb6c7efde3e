import { Button, Drawer, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { PrefixListSpec } from "../../../api/firewall";
import type { Document, Resource } from "../../../api/monitor";
import { Action } from "../../../parts/Action/Action";
import { useOpened } from "../../../parts/Late/useOpened";
import { Lines } from "../../../parts/Lines/Lines";
import { SaveResource } from "../../../parts/ResourceForm/SaveResource";
import { text as parts } from "../../../parts/text";
import { prefixesOf } from "./prefixes";
import { text } from "./text";

const PROBATION = "60s";
const NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** More lines than this would make the field slow. */
const LINES_MAX = 5_000;

interface ListDrawerProps {
  opened: boolean;
  existing: Resource<PrefixListSpec> | null;
  can: true | string;
  onClose: () => void;
}

export default function ListDrawer({ opened, existing, can, onClose }: ListDrawerProps) {
  return (
    <Drawer opened={useOpened(opened)} onClose={onClose} position="right" size={560} title={existing ? text.changeOf(existing.name) : text.add} closeButtonProps={{ "aria-label": parts.close }}>
      <ListForm key={existing?.name ?? ""} existing={existing} can={can} onDone={onClose} />
    </Drawer>
  );
}

function ListForm({ existing, can, onDone }: { existing: Resource<PrefixListSpec> | null; can: true | string; onDone: () => void }) {
  const [name, setName] = useState(existing?.name ?? "");
  const [description, setDescription] = useState(existing?.spec.description ?? "");
  const [typed, setTyped] = useState((existing?.spec.prefixes ?? []).join("\n"));
  const [version, setVersion] = useState(existing?.version ?? 0);
  const [asked, setAsked] = useState(false);
  const [sending, setSending] = useState<{ document: Document; removes: boolean } | null>(null);
  const prefixes = prefixesOf(typed);
  const tooLong = prefixes.length > LINES_MAX;
  const document = (): Document => ({ kind: "PrefixList", name: name.trim(), version, spec: { ...(description.trim() === "" ? {} : { description: description.trim() }), prefixes } });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (NAME.test(name.trim())) setSending({ document: document(), removes: false });
  };
  if (sending) {
    return (
      <SaveResource
        document={sending.document}
        removes={sending.removes}
        probation={PROBATION}
        onDone={onDone}
        onBack={() => setSending(null)}
        onRebase={(conflict) => {
          setVersion(conflict.version);
          setSending({ ...sending, document: { ...sending.document, version: conflict.version } });
        }}
      />
    );
  }
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      {!existing && (
        <TextInput data-autofocus label={text.name} description={text.nameNote} value={name} onChange={(event) => setName(event.currentTarget.value)} error={asked && !NAME.test(name.trim()) ? text.nameNeeded : undefined} styles={{ input: { fontFamily: "var(--mono)" } }} autoComplete="off" spellCheck={false} />
      )}
      <TextInput label={text.description} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
      <Lines
        label={`${text.prefixes}: ${text.count(prefixes.length)}`}
        description={text.prefixesNote}
        value={tooLong ? prefixes.slice(0, LINES_MAX).join("\n") : typed}
        readOnly={tooLong}
        error={tooLong ? text.more(LINES_MAX) : undefined}
        rows={14}
        onChange={setTyped}
      />
      <div style={{ display: "flex", flexWrap: "wrap", gap: 8 }}>
        <Action type="submit" variant="filled" can={can}>
          {text.preview}
        </Action>
        <Button onClick={onDone}>{parts.cancel}</Button>
        {existing && (
          <Action can={can} variant="subtle" onClick={() => setSending({ document: { kind: "PrefixList", name: existing.name, version, spec: existing.spec }, removes: true })}>
            {text.delete}
          </Action>
        )}
      </div>
    </form>
  );
}
