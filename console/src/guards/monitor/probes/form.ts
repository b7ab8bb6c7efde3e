import type { Field } from "../../../parts/ResourceForm/fields";
import { text } from "./text";

export const probeFields: Field[] = [
  { path: "type", label: text.type, kind: "choice", options: Object.entries(text.types).map(([value, label]) => ({ value, label })), initial: "http", required: true },
  { path: "target", label: text.target, note: text.form.targetNote, required: true, mono: true },
  { path: "interval", label: text.form.interval, initial: "5m", mono: true },
  { path: "timeout", label: text.form.timeout, initial: "5s", mono: true },
  { path: "expect.status", label: text.form.status, kind: "number", mono: true, when: (draft) => draft.type === "http" },
  { path: "expect.body", label: text.form.body, when: (draft) => draft.type === "http" },
  { path: "expect.address", label: text.form.address, mono: true, when: (draft) => draft.type === "dns" },
  { path: "host", label: text.host, note: text.form.hostNote, mono: true },
  { path: "allow_private", label: text.form.private, note: text.form.privateNote, kind: "check" },
];

/** Facts in one line: "status 200, certificate_days 12". */
export function sayFacts(facts: Record<string, unknown> | undefined): string {
  return Object.entries(facts ?? {})
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}
