import { ActionIcon } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import type { Metric, Operator, Period, Statistic } from "../../../api/monitor";
import filterClasses from "../../../parts/FilterBar/FilterBar.module.css";
import { calledBy } from "../called";
import { text as words } from "../text";
import { type PolicyDraft, writtenIn } from "./draft";
import classes from "./Rules.module.css";
import { text } from "./text";

interface PolicyRowProps {
  policy: PolicyDraft;
  metrics: readonly Metric[];
  focused: boolean;
  onFocus: () => void;
  onChange: (next: PolicyDraft) => void;
  onRemove?: () => void;
}

/** One condition, written as a sentence whose words can be changed. */
export function PolicyRow({ policy, metrics, focused, onFocus, onChange, onRemove }: PolicyRowProps) {
  const metric = calledBy(metrics, policy.metric)?.metric;
  const { sign } = writtenIn(metrics, policy.metric, policy.operator);
  const set = (part: Partial<PolicyDraft>) => onChange({ ...policy, ...part });
  const level = policy.operator !== "rise" && policy.operator !== "fall";
  return (
    <div className={classes.policy} onFocus={onFocus} data-focused={focused ? "" : undefined}>
      <MetricSelect value={policy.metric} metrics={metrics} onChange={(name) => set({ metric: name, labels: "" })} />
      {metric?.label && <Typed label={text.labels} value={policy.labels} placeholder={text.labelsPlaceholder(metric.label)} wide onChange={(labels) => set({ labels })} />}
      {policy.period !== "raw" && <Choice label={text.statistic} value={policy.statistic} options={text.statistics} onChange={(value) => set({ statistic: value as Statistic })} />}
      {policy.period !== "raw" && <span>{text.of}</span>}
      <Choice label={text.period} value={policy.period} options={text.periods} onChange={(value) => set({ period: value as Period })} />
      <Choice label={text.operator} value={policy.operator} options={text.operators} onChange={(value) => set({ operator: value as Operator })} />
      <span className={classes.amount}>
        <Typed label={text.threshold} value={policy.threshold} onChange={(threshold) => set({ threshold })} /> {sign}
      </span>
      <span className={classes.amount}>
        {text.forWord} <Typed label={text.count} value={policy.count} short onChange={(count) => set({ count })} /> {text.outOf} <Typed label={text.ofLabel} value={policy.of} short onChange={(of) => set({ of })} /> {text.times}
      </span>
      {level && (
        <span className={classes.amount}>
          {text.recoverWord} <Typed label={text.recover} value={policy.recover} onChange={(recover) => set({ recover })} /> {sign}
        </span>
      )}
      {onRemove && (
        <ActionIcon variant="subtle" size={28} c="var(--text-2)" aria-label={text.removePolicy} onClick={onRemove}>
          <IconX size={16} stroke={1.5} />
        </ActionIcon>
      )}
    </div>
  );
}

function MetricSelect({ value, metrics, onChange }: { value: string; metrics: readonly Metric[]; onChange: (name: string) => void }) {
  const groups = [...new Set(metrics.map(({ group }) => group))].map((group) => [group, metrics.filter((metric) => metric.group === group)] as const);
  return (
    <select className={filterClasses.select} aria-label={text.metric} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {!metrics.some(({ name }) => name === value) && <option value={value}>{value}</option>}
      {groups.map(([group, members]) => (
        <optgroup key={group} label={text.metricGroups[group] ?? group}>
          {members.map(({ name, help }) => (
            <option key={name} value={name} title={help}>
              {words.titles[name] ?? name}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}

function Choice({ label, value, options, onChange }: { label: string; value: string; options: Record<string, string>; onChange: (value: string) => void }) {
  return (
    <select className={filterClasses.select} aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {Object.entries(options).map(([key, word]) => (
        <option key={key} value={key}>
          {word}
        </option>
      ))}
    </select>
  );
}

function Typed({ label, value, placeholder, short, wide, onChange }: { label: string; value: string; placeholder?: string; short?: boolean; wide?: boolean; onChange: (value: string) => void }) {
  return (
    <input
      className={classes.typed}
      data-short={short ? "" : undefined}
      data-wide={wide ? "" : undefined}
      aria-label={label}
      inputMode={wide ? undefined : "decimal"}
      placeholder={placeholder}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      autoComplete="off"
      spellCheck={false}
    />
  );
}
