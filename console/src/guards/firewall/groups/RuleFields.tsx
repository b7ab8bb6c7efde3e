import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { type FormEvent, type KeyboardEvent, useId, useState } from "react";
import { type Direction, type GroupRule, PROTOCOLS } from "../../../api/firewall";
import { completions, EMPTY_FORM, type Field, formOf, hasPorts, hasTypes, isProtocol, type Problems, type RuleForm, ruleOf } from "./form";
import classes from "./Groups.module.css";
import { text } from "./text";

const MONO = { input: { fontFamily: "var(--mono)" } };

interface RuleFieldsProps {
  title: string;
  direction: Direction;
  rule?: GroupRule;
  /** What could stand as a peer. */
  known: readonly string[];
  /** What the server says is wrong, and with which field. */
  refusal?: { field: string | null; message: string } | null;
  onSave: (rule: GroupRule) => void;
  onLeave: () => void;
}

/** One rule in place of its row: Enter puts it into the draft, Esc leaves it as it was. */
export function RuleFields({ title, direction, rule, known, refusal, onSave, onLeave }: RuleFieldsProps) {
  const [form, setForm] = useState<RuleForm>(rule ? formOf(rule) : EMPTY_FORM);
  const [asked, setAsked] = useState(false);
  const change = (part: Partial<RuleForm>) => setForm({ ...form, ...part });
  const { rule: next, problems } = ruleOf(form, direction, rule);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (Object.keys(problems).length === 0) onSave(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onLeave();
  };
  const wrong = (field: Field) => sayProblem(asked ? problems : {}, field) ?? (refusal?.field === field ? refusal.message : undefined);
  const field = (key: "priority" | "ports" | "types" | "comment") => ({
    value: form[key],
    onChange: (event: { currentTarget: { value: string } }) => change({ [key]: event.currentTarget.value }),
    error: wrong(key),
    autoComplete: "off",
    spellCheck: false,
  });
  return (
    <form className={classes.form} onSubmit={submit} onKeyDown={onKeyDown} noValidate aria-label={title}>
      <TextInput autoFocus label={text.form.priority} inputMode="numeric" styles={MONO} {...field("priority")} />
      <NativeSelect label={text.form.action} value={form.action} data={["allow", "deny"]} onChange={(event) => change({ action: event.currentTarget.value === "deny" ? "deny" : "allow" })} />
      <NativeSelect label={text.form.protocol} value={form.protocol} data={[...PROTOCOLS]} onChange={(event) => isProtocol(event.currentTarget.value) && change({ protocol: event.currentTarget.value })} />
      {hasPorts(form.protocol) ? (
        <TextInput className={classes.wide} label={text.form.ports} placeholder={text.form.portsNote} styles={MONO} {...field("ports")} />
      ) : hasTypes(form.protocol) ? (
        <TextInput className={classes.wide} label={text.form.types} placeholder={text.form.typesNote} styles={MONO} {...field("types")} />
      ) : (
        <span className={classes.wide} />
      )}
      <PeersInput label={text.form.peers[direction]} value={form.peers} known={known} error={wrong("peers")} onChange={(peers) => change({ peers })} />
      <div className={classes.second}>
        <TextInput label={text.form.comment} {...field("comment")} />
        <TextInput label={text.form.ends} type="datetime-local" value={form.ends_at} error={wrong("ends_at")} onChange={(event) => change({ ends_at: event.currentTarget.value })} />
        <div className={classes.checks}>
          <Checkbox label={text.form.enabled} checked={form.enabled} onChange={(event) => change({ enabled: event.currentTarget.checked })} />
          <Checkbox label={text.form.log} checked={form.log} onChange={(event) => change({ log: event.currentTarget.checked })} />
        </div>
      </div>
      {refusal && refusal.field === null && (
        <p className={classes.refused} role="alert">
          {refusal.message}
        </p>
      )}
      <div className={classes.buttons}>
        <Button type="submit" variant="filled">
          {text.form.save}
        </Button>
        <Button onClick={onLeave}>{text.form.cancel}</Button>
      </div>
    </form>
  );
}

function sayProblem(problems: Problems, field: Field): string | undefined {
  const problem = problems[field];
  return problem && text.form.problems[problem];
}

/** Several peers in one line; the one that is being written is completed. */
export function PeersInput({ label, value, known, error, onChange }: { label: string; value: string; known: readonly string[]; error?: string; onChange: (value: string) => void }) {
  const id = useId();
  return (
    <div className={classes.wide}>
      <TextInput label={label} description={text.form.peersNote} inputWrapperOrder={["label", "input", "description", "error"]} list={id} styles={MONO} value={value} error={error} onChange={(event) => onChange(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
      <datalist id={id}>
        {completions(value, known).map((option) => (
          <option key={option} value={option} />
        ))}
      </datalist>
    </div>
  );
}
