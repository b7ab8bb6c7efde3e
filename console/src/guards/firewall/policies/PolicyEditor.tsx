import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNavigate } from "react-router";
import type { Action as RuleAction, PortPolicySpec } from "../../../api/firewall";
import type { Document, Resource } from "../../../api/monitor";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Card } from "../../../parts/Page/Page";
import { to } from "../../../paths";
import { serverNow } from "../../../words/now";
import groups from "../groups/Groups.module.css";
import { SelectorFields } from "../groups/Members";
import { useKnownPeers } from "../groups/peers";
import { ExceptionFields } from "./ExceptionFields";
import { lacksOf, newException, policyForm, policyOf } from "./form";
import { text } from "./text";

const ApplyDrawer = lazy(() => import("../groups/ApplyDrawer"));

/** One policy as a form; what it does is seen in its plan. */
export function PolicyEditor({ name, saved }: { name: string; saved: Resource<PortPolicySpec> | null }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const can = useCan("operator");
  const known = useKnownPeers();
  const first = () => policyForm(saved?.spec ?? {});
  const [form, setForm] = useState(first);
  const [version, setVersion] = useState(saved?.version ?? 0);
  const [asked, setAsked] = useState(false);
  const [epoch, setEpoch] = useState(0);
  const [sending, setSending] = useState<{ document: Document; removes: boolean } | null>(null);
  const change = (part: Partial<typeof form>) => setForm({ ...form, ...part });
  const preview = () => {
    setAsked(true);
    if (form.exceptions.some((one) => lacksOf(one).length > 0)) return;
    setSending({ document: { kind: "PortPolicy", name, version, spec: policyOf(form) }, removes: false });
  };
  const done = async () => {
    setSending(null);
    await client.invalidateQueries();
    void navigate(to.policies());
  };
  const choice = (key: "high_risk" | "databases" | "default_out", label: string, says: Record<RuleAction, string>) => (
    <NativeSelect label={label} value={form[key]} data={Object.entries(says).map(([value, word]) => ({ value, label: word }))} onChange={(event) => change({ [key]: event.currentTarget.value as RuleAction })} />
  );
  return (
    <fieldset key={epoch} disabled={can !== true} style={{ border: 0, margin: 0, padding: 0, minInlineSize: 0, display: "grid", gap: 16 }}>
      <Card title={text.editor} padded>
        <div className={groups.fields}>
          <SelectorFields value={form.hosts} onChange={(hosts) => change({ hosts })} />
          {choice("high_risk", text.highRisk, text.action)}
          {choice("databases", text.databases, text.databaseAction)}
          {choice("default_out", text.defaultOut, text.outAction)}
          <TextInput label={text.private} placeholder={text.privateNote} value={form.private} onChange={(event) => change({ private: event.currentTarget.value })} styles={{ input: { fontFamily: "var(--mono)" } }} autoComplete="off" spellCheck={false} />
          <TextInput label={text.webPorts} placeholder={text.webPortsNote} value={form.web_ports} onChange={(event) => change({ web_ports: event.currentTarget.value })} styles={{ input: { fontFamily: "var(--mono)" } }} autoComplete="off" spellCheck={false} />
        </div>
      </Card>
      <Card title={text.exceptions} aside={<span className="meta">{text.exceptionsLead}</span>}>
        {form.exceptions.length === 0 && <p className="meta" style={{ padding: "12px 16px 0" }}>{text.noExceptions}</p>}
        {form.exceptions.map((one, i) => (
          <ExceptionFields
            key={i}
            n={i + 1}
            form={one}
            known={known}
            asked={asked}
            onChange={(next) => change({ exceptions: form.exceptions.map((other, n) => (n === i ? next : other)) })}
            onRemove={() => change({ exceptions: form.exceptions.filter((_, n) => n !== i) })}
          />
        ))}
        <div className={groups.foot}>
          <Button onClick={() => change({ exceptions: [...form.exceptions, newException(serverNow())] })}>{text.addException}</Button>
        </div>
      </Card>
      <div className={groups.links}>
        <Action variant="filled" can={can} onClick={preview}>
          {text.preview}
        </Action>
        <Button
          onClick={() => {
            setForm(first());
            setEpoch(epoch + 1);
          }}
        >
          {text.discard}
        </Button>
        {saved && (
          <Action can={can} variant="subtle" onClick={() => setSending({ document: { kind: "PortPolicy", name, version, spec: saved.spec }, removes: true })}>
            {text.delete}
          </Action>
        )}
      </div>
      <Suspense>
        <ApplyDrawer
          document={sending?.document ?? null}
          removes={sending?.removes ?? false}
          onDone={() => void done()}
          onClose={() => setSending(null)}
          onRebase={(next) => {
            setVersion(next);
            setSending((now) => now && { ...now, document: { ...now.document, version: next } });
          }}
        />
      </Suspense>
    </fieldset>
  );
}
