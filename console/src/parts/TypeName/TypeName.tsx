import { Button, Modal, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { ErrorCard } from "../Notice/Notice";
import { text } from "../text";

interface TypeNameProps {
  title: string;
  /** What will be so afterwards, in sentences. */
  children: ReactNode;
  /** What must be typed. */
  name: string;
  /** The word on the button. */
  verb: string;
  doing: string;
  /** Asks for a reason as well, which the audit log keeps. */
  withReason?: string;
  loading: boolean;
  error: unknown;
  onDo: (reason: string) => void;
  onClose: () => void;
}

/** The third level of confirmation: what cannot be taken back is done by typing its name. */
export function TypeName(props: TypeNameProps) {
  return (
    <Modal opened onClose={props.onClose} title={props.title} closeButtonProps={{ "aria-label": text.close }}>
      <Form {...props} />
    </Modal>
  );
}

function Form({ children, name, verb, doing, withReason, loading, error, onDo, onClose }: TypeNameProps) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const [asked, setAsked] = useState(false);
  const named = typed.trim() === name;
  const reasoned = withReason === undefined || reason.trim() !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (named && reasoned) onDo(reason.trim());
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 12 }} noValidate>
      {children}
      {withReason !== undefined && (
        <TextInput
          data-autofocus
          label={withReason}
          description={text.typeName.reasonNote}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          error={asked && !reasoned ? text.typeName.reasonNeeded : undefined}
          autoComplete="off"
        />
      )}
      <TextInput
        data-autofocus={withReason === undefined ? true : undefined}
        label={text.typeName.label(name)}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        error={asked && !named ? text.typeName.differs : undefined}
        autoComplete="off"
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mono)" } }}
      />
      {error !== null && <ErrorCard doing={doing} error={error} />}
      <div style={{ display: "flex", gap: 8 }}>
        <Button type="submit" variant="filled" loading={loading}>
          {verb}
        </Button>
        <Button onClick={onClose}>{text.cancel}</Button>
      </div>
    </form>
  );
}
