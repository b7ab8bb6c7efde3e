import type { AlarmView, Notified, Operator, Period, Policy, Statistic } from "../../../api/monitor";
import { formatUnit } from "../../../words/format";
import { text } from "./text";

/** Alarms and policies in words. Pure. */

/** What a level is compared with; rises and falls are percent. */
export function sayThreshold(threshold: number, operator: Operator, unit: string): string {
  return operator === "rise" || operator === "fall" ? `${threshold}\u2009%` : formatUnit(threshold, unit);
}

/** "94 % > 90 %": what was seen against what the rule allows. */
export function sayValue(alarm: AlarmView): string {
  const { value, threshold, operator, unit } = alarm;
  if (value === null || value === undefined) return "–";
  const seen = formatUnit(value, operator === "rise" || operator === "fall" ? "" : (unit ?? ""));
  if (threshold === null || threshold === undefined || !operator) return seen;
  return text.against(seen, text.operators[operator], sayThreshold(threshold, operator, unit ?? ""));
}

/** "average of 5 min > 90 %". */
export function sayCondition({ statistic, period, operator, threshold, unit }: { statistic?: Statistic | null; period?: Period | null; operator?: Operator | null; threshold?: number | null; unit?: string | null }): string | null {
  if (!statistic || !period || !operator || threshold === null || threshold === undefined) return null;
  const over = period === "raw" ? text.periods.raw : `${text.statistics[statistic]} of ${text.periods[period]}`;
  return `${over} ${text.operators[operator]} ${sayThreshold(threshold, operator, unit ?? "")}`;
}

/** A policy as a sentence: what is watched, how, for how long, and when it is well again. */
export function sayPolicy(policy: Policy, title: string, unit: string): string {
  const labels = Object.entries(policy.labels ?? {})
    .map(([key, value]) => (/^(!=|=~|!~)/.test(value) ? `${key}${value}` : `${key}=${value}`))
    .join(", ");
  const condition = sayCondition({ ...policy, unit }) ?? "";
  const lasting = (policy.of ?? policy.count) === policy.count ? (policy.count === 1 ? "" : `, ${policy.count} times in a row`) : `, ${policy.count} of the last ${policy.of} times`;
  const back = policy.recover === undefined || policy.recover === null ? "" : `; well again at ${formatUnit(policy.recover, unit)}`;
  return `${title}${labels === "" ? "" : ` (${labels})`}: ${condition}${lasting}${back}`;
}

export interface Told {
  ok: string[];
  failed: string[];
}

/** Whom the newest state was told to: each channel by its newest attempt. */
export function toldOf(notified: readonly Notified[] | undefined): Told {
  const newest = new Map<string, Notified>();
  for (const one of notified ?? []) {
    const known = newest.get(one.channel);
    if (known === undefined || Date.parse(one.at) >= Date.parse(known.at)) newest.set(one.channel, one);
  }
  const all = [...newest.values()];
  return { ok: all.filter((one) => one.ok).map((one) => one.channel), failed: all.filter((one) => !one.ok).map((one) => one.channel) };
}
