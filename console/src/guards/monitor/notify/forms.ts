import type { Match } from "../../../api/monitor";
import type { Draft, Field } from "../../../parts/ResourceForm/fields";
import { SEVERITIES } from "../../../theme/severity";
import { text as words } from "../text";
import { text } from "./text";

const choices = (options: Record<string, string>) => Object.entries(options).map(([value, label]) => ({ value, label }));
const isMail = (draft: Draft) => draft.type === "smtp";
const hasWindow = (draft: Draft) => (draft["window.from"] ?? "").trim() !== "";
const hasUrl = (draft: Draft) => draft.type !== "smtp" && draft.type !== "slack";

export const CHANNEL: Field[] = [
  { path: "type", label: text.type, kind: "choice", options: choices(text.channelTypes), required: true, initial: "webhook" },
  { path: "url", label: text.url, required: true, mono: true, when: hasUrl },
  { path: "host", label: text.smtpHost, required: true, mono: true, when: isMail },
  { path: "port", label: text.port, kind: "number", mono: true, initial: "587", when: isMail },
  { path: "tls", label: text.tls, kind: "choice", options: choices(text.tlsChoices), initial: "starttls", when: isMail },
  { path: "from", label: text.sender, required: true, when: isMail },
  { path: "to", label: text.to, note: text.toNote, kind: "list", required: true, when: isMail },
  { path: "user", label: text.user, when: isMail },
  { path: "every", label: text.every, initial: "1m", when: (draft) => draft.type === "heartbeat" },
  { path: "secret", label: text.secret, note: text.secretNote, mono: true },
  { path: "template.title", label: text.title, note: text.titleNote },
  { path: "template.text", label: text.body },
  { path: "allow_private", label: text.allowPrivate, note: text.allowPrivateNote, kind: "check" },
];

export const POLICY: Field[] = [
  { path: "channels", label: text.policy.channels, note: text.policy.channelsNote, kind: "list", required: true, mono: true },
  { path: "match.severity", label: text.policy.severity, kind: "choice", options: [{ value: "", label: text.policy.all }, ...SEVERITIES.map((value) => ({ value, label: value }))] },
  { path: "match.scope.tags", label: words.scope.tags, note: words.scope.tagsNote, kind: "pairs", mono: true },
  { path: "match.labels", label: text.labels, note: text.labelsNote, kind: "pairs", mono: true },
  { path: "urgency", label: text.policy.urgency, kind: "choice", options: choices(text.policy.urgencies) },
  { path: "group_by", label: text.policy.groupBy, kind: "list", initial: "alertname", mono: true },
  { path: "group_wait", label: text.policy.groupWait, initial: "1s", mono: true },
  { path: "group_interval", label: text.policy.groupInterval, initial: "5m", mono: true },
  { path: "repeat", label: text.policy.repeat, initial: "4h", mono: true },
  { path: "digest_at", label: text.policy.digestAt, initial: "08:00", mono: true, when: (draft) => draft.urgency !== "page" },
  { path: "window.from", label: text.policy.windowFrom, note: text.policy.windowNote, mono: true },
  { path: "window.to", label: text.policy.windowTo, mono: true, required: true, when: hasWindow },
  { path: "window.days", label: text.policy.windowDays, note: text.policy.windowDaysNote, kind: "list", mono: true, when: hasWindow },
  { path: "window.zone", label: text.policy.zone, mono: true, initial: "UTC", when: hasWindow },
  { path: "window.except", label: text.policy.windowExcept, kind: "choice", options: [{ value: "", label: text.policy.none }, ...SEVERITIES.map((value) => ({ value, label: value }))], when: hasWindow },
  { path: "escalate", label: text.policy.escalate, note: text.policy.escalateNote, kind: "steps", mono: true },
  { path: "continue", label: text.policy.continue, kind: "check" },
];

/** `until` is where a new silence ends at first, as a browser's input wants it. */
export const silenceFields = (until: string): Field[] => [
  { path: "reason", label: text.reason, required: true },
  { path: "until", label: text.until, kind: "moment", required: true, initial: until },
  { path: "match.labels.alertname", label: text.alarmname, note: text.alarmnameNote, mono: true },
  { path: "match.scope.hosts", label: words.scope.hosts, note: words.scope.hostsNote, kind: "list", mono: true },
  { path: "match.scope.tags", label: words.scope.tags, note: words.scope.tagsNote, kind: "pairs", mono: true },
];

/** A match in words, for a table. */
export function sayMatch(match: Match | undefined): string {
  const parts = [
    ...(match?.severity ? [`${text.policy.severity.toLowerCase()} ${match.severity}`] : []),
    ...Object.entries(match?.labels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...Object.entries(match?.scope?.tags ?? {}).map(([key, value]) => `tag ${key}=${value}`),
    ...(match?.scope?.region ? [match.scope.region] : []),
    ...(match?.scope?.group ? [match.scope.group] : []),
    ...(match?.scope?.hosts ?? []),
  ];
  return parts.length === 0 ? text.everything : parts.join(", ");
}
