import { Button, Modal, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { ErrorCard } from "../Notice/Notice";
import { text } from "../text";

/** Keeping a change although nobody has proven the way in: asks why, and the audit log keeps it. */
export default function WaiverDialog({ onKeep, onClose, loading, error }: { onKeep: (why: string) => void; onClose: () => void; loading: boolean; error: unknown }) {
  return (
    <Modal opened onClose={onClose} title={text.probation.waiverTitle} closeButtonProps={{ "aria-label": text.close }}>
      <Waiver onKeep={onKeep} loading={loading} error={error} />
    </Modal>
  );
}

function Waiver({ onKeep, loading, error }: { onKeep: (why: string) => void; loading: boolean; error: unknown }) {
  const [why, setWhy] = useState("");
  const [missing, setMissing] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (why.trim() === "") setMissing(true);
    else onKeep(why.trim());
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 12 }}>
      <p>{text.probation.waiverWhy}</p>
      <Textarea
        label={text.probation.waiverLabel}
        value={why}
        onChange={(event) => setWhy(event.currentTarget.value)}
        error={missing && why.trim() === "" ? text.probation.waiverNeeded : undefined}
        data-autofocus
      />
      {error !== null && <ErrorCard doing={text.probation.doingKeep} error={error} />}
      <Button type="submit" variant="filled" loading={loading}>
        {text.probation.keep}
      </Button>
    </form>
  );
}
