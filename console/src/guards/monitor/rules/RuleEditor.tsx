import { Button, Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { type Document, type Metric, metricsQuery, monitorAct, type RuleView } from "../../../api/monitor";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { BlockSkeleton, ErrorCard } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { toast } from "../../../parts/Toasts/Toasts";
import { to } from "../../../paths";
import type { Severity } from "../../../api/types";
import { SEVERITIES } from "../../../theme/severity";
import { Backtest } from "./Backtest";
import { emptyPolicy, emptyRule, type RuleDraft, ruleDraft, type ScopeMode, shown, specOf, writtenIn } from "./draft";
import { EventFields } from "./EventFields";
import { PolicyRow } from "./PolicyRow";
import classes from "./Rules.module.css";
import { text } from "./text";

const SaveDrawer = lazy(() => import("./SaveDrawer"));

/** One rule as a sentence, with what it would have done in the past beside it. */
export default function RuleEditor({ rule }: { rule?: RuleView }) {
  const { data, error, refetch } = useQuery(metricsQuery);
  if (error && data === undefined) return <ErrorCard doing={text.doing} error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <BlockSkeleton height={320} />;
  return <Editor rule={rule} metrics={data.items} />;
}

function Editor({ rule, metrics }: { rule?: RuleView; metrics: Metric[] }) {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const can = useCan("operator");
  const first = () => (rule ? ruleDraft(rule.name, rule.spec, metrics) : emptyRule(metrics.find(({ name }) => name === (search.get("metric") ?? "cpu_usage_ratio")), search.get("host")));
  const [draft, setDraft] = useState<RuleDraft>(first);
  // The version that the draft was made from: a newer one in the list must not hide a conflict.
  const [version, setVersion] = useState(rule?.source === "resource" ? rule.version : 0);
  const [asked, setAsked] = useState(false);
  const [document, setDocument] = useState<Document | null>(null);
  // Stays once it was opened, so that closing gives the focus back.
  const [wanted, setWanted] = useState(false);
  const [focus, setFocus] = useState(0);
  const { spec, problems } = specOf(draft, metrics);
  const all = draft.name.trim() === "" ? [...problems, text.problems.name] : problems;
  const change = (part: Partial<RuleDraft>) => setDraft({ ...draft, ...part });
  const preview = () => {
    setAsked(true);
    if (all.length > 0) return;
    setWanted(true);
    setDocument({ kind: "AlarmRule", name: draft.name.trim(), version, spec });
  };
  const use = (which: number | undefined, threshold: number, recover: number | null | undefined) => {
    const policies = draft.policies.map((policy, i) => {
      if (i !== (which ?? focus)) return policy;
      const written = writtenIn(metrics, policy.metric, policy.operator);
      return { ...policy, threshold: shown(threshold, written), ...(recover === null || recover === undefined ? {} : { recover: shown(recover, written) }) };
    });
    change({ policies });
  };
  return (
    <>
      <Card padded label={text.editor}>
        <div className={classes.editor}>
          <Head draft={draft} change={change} existing={rule !== undefined} asked={asked} />
          {draft.kind === "metric" ? (
            <fieldset className={classes.policies}>
              <legend>{text.policies}</legend>
              {draft.policies.map((policy, i) => (
                <PolicyRow
                  key={i}
                  policy={policy}
                  metrics={metrics}
                  focused={i === focus && draft.policies.length > 1}
                  onFocus={() => setFocus(i)}
                  onChange={(next) => change({ policies: draft.policies.map((other, n) => (n === i ? next : other)) })}
                  onRemove={draft.policies.length > 1 ? () => change({ policies: draft.policies.filter((_, n) => n !== i) }) : undefined}
                />
              ))}
              <Button variant="subtle" onClick={() => change({ policies: [...draft.policies, emptyPolicy(metrics[0])] })}>
                {text.addPolicy}
              </Button>
            </fieldset>
          ) : (
            <EventFields draft={draft} change={change} />
          )}
          <Behaviour draft={draft} change={change} />
          {asked && all.length > 0 && (
            <div className={classes.problems} role="alert">
              <ul>
                {all.map((problem) => (
                  <li key={problem}>{problem}</li>
                ))}
              </ul>
            </div>
          )}
          <div className={classes.buttons}>
            <Action variant="filled" can={can} onClick={preview}>
              {text.preview}
            </Action>
            <Button onClick={() => (rule ? setDraft(first()) : void navigate(to.rules()))}>{text.discard}</Button>
            {rule?.source === "resource" && <DeleteRule rule={rule} can={can} />}
          </div>
        </div>
      </Card>
      <Backtest spec={spec} complete={problems.length === 0} event={draft.kind === "event"} focus={Math.min(focus, draft.policies.length - 1)} metrics={metrics} onUse={use} />
      <Suspense>
        {wanted && (
          <SaveDrawer
            document={document}
            onDone={() => void navigate(to.rules())}
            onClose={() => setDocument(null)}
            onRebase={(conflict) => {
              setVersion(conflict.version);
              setDocument((now) => now && { ...now, version: conflict.version });
            }}
          />
        )}
      </Suspense>
    </>
  );
}

interface PartProps {
  draft: RuleDraft;
  change: (part: Partial<RuleDraft>) => void;
}

function Head({ draft, change, existing, asked }: PartProps & { existing: boolean; asked: boolean }) {
  return (
    <div className={classes.fields}>
      {!existing && <TextInput label={text.nameLabel} value={draft.name} onChange={(event) => change({ name: event.currentTarget.value })} error={asked && draft.name.trim() === "" ? text.problems.name : undefined} autoComplete="off" spellCheck={false} styles={{ input: { fontFamily: "var(--mono)" } }} />}
      <NativeSelect label={text.severity} value={draft.severity} data={SEVERITIES} onChange={(event) => change({ severity: event.currentTarget.value as Severity })} />
      <NativeSelect label={text.kind} value={draft.kind} data={Object.entries(text.kinds).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ kind: event.currentTarget.value as RuleDraft["kind"] })} />
      <NativeSelect label={text.scopeTitle} value={draft.scopeMode} data={Object.entries(text.scopeModes).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ scopeMode: event.currentTarget.value as ScopeMode, scopeValue: "" })} />
      {draft.scopeMode !== "all" && (
        <TextInput label={text.scopeModes[draft.scopeMode]} placeholder={text.scopeNotes[draft.scopeMode]} value={draft.scopeValue} onChange={(event) => change({ scopeValue: event.currentTarget.value })} autoComplete="off" spellCheck={false} styles={{ input: { fontFamily: "var(--mono)" } }} />
      )}
      <TextInput className={classes.wide} label={text.description} value={draft.description} onChange={(event) => change({ description: event.currentTarget.value })} />
    </div>
  );
}

function Behaviour({ draft, change }: PartProps) {
  const repeats = Object.hasOwn(text.repeats, draft.repeat) ? text.repeats : { ...text.repeats, [draft.repeat]: draft.repeat };
  return (
    <fieldset className={classes.policies}>
      <legend>{text.behaviour}</legend>
      <div className={classes.fields}>
        <NativeSelect label={text.urgency} value={draft.urgency} data={Object.entries(text.urgencies).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ urgency: event.currentTarget.value as RuleDraft["urgency"] })} />
        <NativeSelect label={text.repeat} value={draft.repeat} data={Object.entries(repeats).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ repeat: event.currentTarget.value })} />
        {draft.kind === "metric" && (
          <>
            <NativeSelect label={text.noDataTreat} value={draft.noDataTreat} data={Object.entries(text.treats).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ noDataTreat: event.currentTarget.value as RuleDraft["noDataTreat"] })} />
            <TextInput label={text.noDataAfter} value={draft.noDataAfter} onChange={(event) => change({ noDataAfter: event.currentTarget.value })} styles={{ input: { fontFamily: "var(--mono)" } }} />
          </>
        )}
      </div>
      <div className={classes.checks}>
        <Checkbox label={text.enabled} checked={draft.enabled} onChange={(event) => change({ enabled: event.currentTarget.checked })} />
        <Checkbox label={text.cause} checked={draft.cause} onChange={(event) => change({ cause: event.currentTarget.checked })} />
      </div>
    </fieldset>
  );
}

/** Deleting is immediate and can be taken back: the rule is written anew as it was. */
function DeleteRule({ rule, can }: { rule: RuleView; can: true | string }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => monitorAct.resourceDelete("AlarmRule", rule.name, rule.version),
    onSuccess: async () => {
      toast(text.deleted(rule.name), {
        label: text.undo,
        run: () => void monitorAct.apply([{ kind: "AlarmRule", name: rule.name, spec: rule.spec }], false).then(() => client.invalidateQueries()),
      });
      await navigate(to.rules());
      await client.invalidateQueries();
    },
  });
  return (
    <>
      <Action can={can} loading={remove.isPending} onClick={() => remove.mutate()}>
        {text.delete}
      </Action>
      {remove.error && <ErrorCard doing={text.doingDelete} error={remove.error} />}
    </>
  );
}
