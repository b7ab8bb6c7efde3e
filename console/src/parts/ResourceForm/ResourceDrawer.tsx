import { Button, Checkbox, Drawer, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Document } from "../../api/monitor";
import { useOpened } from "../Late/useOpened";
import { text } from "../text";
import { type Draft, draftOf, emptyDraft, type Field, missingOf, specOf } from "./fields";
import classes from "./ResourceForm.module.css";
import { Buttons, SaveResource } from "./SaveResource";

export interface ResourceDrawerProps {
  kind: string;
  title: string;
  fields: readonly Field[];
  /** What is edited; absent for a new one. */
  existing?: { name: string; version: number; spec: object } | null;
  /** What a new one begins with, where a part must be there though it is empty. */
  blank?: object;
  opened: boolean;
  onClose: () => void;
  children?: ReactNode;
}

/** One resource in a form of its own: form, then plan, then apply. */
export default function ResourceDrawer({ title, opened, onClose, ...rest }: ResourceDrawerProps) {
  return (
    <Drawer opened={useOpened(opened)} onClose={onClose} position="right" size={560} title={title} closeButtonProps={{ "aria-label": text.close }}>
      <ResourceForm key={rest.existing?.name ?? ""} onDone={onClose} {...rest} />
    </Drawer>
  );
}

function ResourceForm({ kind, fields, existing, blank, onDone, children }: Omit<ResourceDrawerProps, "title" | "opened" | "onClose"> & { onDone: () => void }) {
  const [name, setName] = useState(existing?.name ?? "");
  const [draft, setDraft] = useState<Draft>(existing ? draftOf(fields, existing.spec) : emptyDraft(fields));
  const [version, setVersion] = useState(existing?.version ?? 0);
  const [asked, setAsked] = useState(false);
  const [document, setDocument] = useState<Document | null>(null);
  const [removes, setRemoves] = useState(false);
  const missing = missingOf(fields, draft);
  if (name.trim() === "") missing.add("name");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (missing.size > 0) return;
    setRemoves(false);
    setDocument({ kind, name: name.trim(), version, spec: specOf(fields, draft, existing?.spec ?? blank) });
  };
  if (document) {
    return (
      <SaveResource
        document={document}
        removes={removes}
        onDone={onDone}
        onBack={() => setDocument(null)}
        onRebase={(conflict) => {
          setVersion(conflict.version);
          setDocument({ ...document, version: conflict.version });
        }}
      />
    );
  }
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      {children}
      {!existing && (
        <TextInput data-autofocus label={text.resource.name} description={text.resource.nameNote} value={name} onChange={(event) => setName(event.currentTarget.value)} error={asked && missing.has("name") ? text.resource.nameNeeded : undefined} autoComplete="off" spellCheck={false} />
      )}
      {fields
        .filter((field) => field.when === undefined || field.when(draft))
        .map((field) => (
          <FieldInput key={field.path} field={field} value={draft[field.path] ?? ""} missing={asked && missing.has(field.path)} onChange={(value) => setDraft({ ...draft, [field.path]: value })} />
        ))}
      <Buttons>
        <Button type="submit" variant="filled">
          {text.resource.toPreview}
        </Button>
        <Button onClick={onDone}>{text.cancel}</Button>
        {existing && (
          <Button
            className={classes.last}
            variant="subtle"
            color="red"
            onClick={() => {
              setRemoves(true);
              setDocument({ kind, name: existing.name, version, spec: existing.spec });
            }}
          >
            {`${text.resource.delete}…`}
          </Button>
        )}
      </Buttons>
    </form>
  );
}

function FieldInput({ field, value, missing, onChange }: { field: Field; value: string; missing: boolean; onChange: (value: string) => void }) {
  const { label, note, kind = "text", options = [], mono } = field;
  if (kind === "check") return <Checkbox label={label} description={note} checked={value === "true"} onChange={(event) => onChange(event.currentTarget.checked ? "true" : "")} />;
  if (kind === "choice") return <NativeSelect label={label} description={note} value={value} onChange={(event) => onChange(event.currentTarget.value)} data={[...options]} />;
  return (
    <TextInput
      label={label}
      description={note}
      type={kind === "moment" ? "datetime-local" : "text"}
      inputMode={kind === "number" ? "decimal" : undefined}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={missing ? text.resource.needed(label) : undefined}
      styles={mono ? { input: { fontFamily: "var(--mono)" } } : undefined}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
