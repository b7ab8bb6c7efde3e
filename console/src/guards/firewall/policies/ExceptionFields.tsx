import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useNow } from "../../../words/now";
import groups from "../groups/Groups.module.css";
import { PeersInput } from "../groups/RuleFields";
import { type ExceptionForm, lacksOf } from "./form";
import classes from "./Policies.module.css";
import { text } from "./text";

const MONO = { input: { fontFamily: "var(--mono)" } };

interface ExceptionFieldsProps {
  n: number;
  form: ExceptionForm;
  known: readonly string[];
  asked: boolean;
  onChange: (form: ExceptionForm) => void;
  onRemove: () => void;
}

/** A port that is let past the policy: for whom, why, and until when. */
export function ExceptionFields({ n, form, known, asked, onChange, onRemove }: ExceptionFieldsProps) {
  const now = useNow(60_000);
  const lacks = asked ? lacksOf(form) : [];
  const wrong = (field: "ports" | "peers" | "reason" | "ends_at") => (lacks.includes(field) ? text.lacks[field] : undefined);
  const change = (part: Partial<ExceptionForm>) => onChange({ ...form, ...part });
  const over = Date.parse(form.ends_at) < now;
  return (
    <div role="group" aria-label={text.exceptionOf(n)} className={classes.exception} data-over={over ? "" : undefined}>
      <NativeSelect label={text.protocol} value={form.protocol} data={["tcp", "udp"]} onChange={(event) => change({ protocol: event.currentTarget.value === "udp" ? "udp" : "tcp" })} />
      <TextInput label={text.ports} value={form.ports} error={wrong("ports")} onChange={(event) => change({ ports: event.currentTarget.value })} styles={MONO} autoComplete="off" spellCheck={false} />
      <PeersInput label={text.peers} value={form.peers} known={known} error={wrong("peers")} onChange={(peers) => change({ peers })} />
      <TextInput label={text.reason} value={form.reason} error={wrong("reason")} onChange={(event) => change({ reason: event.currentTarget.value })} />
      <TextInput
        className={classes.hosts}
        label={text.onHosts}
        placeholder={text.onHostsNote}
        value={form.hosts?.hosts ?? ""}
        onChange={(event) => change({ hosts: event.currentTarget.value === "" && !form.hosts?.tags ? null : { all: false, tags: "", region: "", ...form.hosts, hosts: event.currentTarget.value } })}
        styles={MONO}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput label={over ? `${text.ends} · ${text.ended}` : text.ends} type="datetime-local" value={form.ends_at} error={wrong("ends_at")} onChange={(event) => change({ ends_at: event.currentTarget.value })} />
      <div className={groups.checks}>
        <Button variant="subtle" aria-label={text.removeException(n)} onClick={onRemove}>
          {text.remove}
        </Button>
      </div>
    </div>
  );
}
