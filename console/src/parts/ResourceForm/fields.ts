/** A form as a list of fields, each one value of a resource's spec. Pure: text in, spec out. */

export type FieldKind = "text" | "number" | "list" | "check" | "choice" | "pairs" | "moment" | "steps";

export interface Field {
  /** Where it stands in the spec: `match.scope.hosts`. */
  path: string;
  label: string;
  note?: string;
  kind?: FieldKind;
  options?: readonly { value: string; label: string }[];
  required?: boolean;
  mono?: boolean;
  /** What stands there at first. */
  initial?: string;
  /** Shown only while this holds. */
  when?: (draft: Draft) => boolean;
}

/** What is typed, by path; a check mark is "true" or "". */
export type Draft = Record<string, string>;

export function draftOf(fields: readonly Field[], spec: unknown): Draft {
  return Object.fromEntries(fields.map((field) => [field.path, printed(field, at(spec, field.path))]));
}

export function emptyDraft(fields: readonly Field[]): Draft {
  return Object.fromEntries(fields.map(({ path, initial }) => [path, initial ?? ""]));
}

/** The spec that the draft says, over `base`: what the form does not show stays as it was. */
export function specOf(fields: readonly Field[], draft: Draft, base: object = {}): Record<string, unknown> {
  const spec = structuredClone(base) as Record<string, unknown>;
  for (const field of fields) {
    const shown = field.when === undefined || field.when(draft);
    put(spec, field.path.split("."), shown ? parsed(field, draft[field.path] ?? "") : undefined);
  }
  return spec;
}

/** The fields that must be filled and are not. */
export function missingOf(fields: readonly Field[], draft: Draft): Set<string> {
  const shown = fields.filter((field) => field.required && (field.when === undefined || field.when(draft)));
  return new Set(shown.filter((field) => (draft[field.path] ?? "").trim() === "").map((field) => field.path));
}

function parsed({ kind = "text" }: Field, text: string): unknown {
  const value = text.trim();
  if (kind === "check") return value === "true" ? true : undefined;
  if (value === "") return undefined;
  if (kind === "number") return Number(value);
  if (kind === "list") return words(value);
  if (kind === "pairs") return pairs(value);
  if (kind === "steps") return steps(value);
  if (kind === "moment") return new Date(value).toISOString();
  return value;
}

function printed({ kind = "text" }: Field, value: unknown): string {
  if (value === undefined || value === null || value === false) return "";
  if (kind === "list" && Array.isArray(value)) return value.join(", ");
  if (kind === "pairs" && typeof value === "object") return Object.entries(value as Record<string, string>).map(([key, word]) => `${key}=${word}`).join(", ");
  if (kind === "steps" && Array.isArray(value)) return (value as Step[]).map(({ after, channels }) => [after, ...channels].join(" ")).join(", ");
  if (kind === "moment" && typeof value === "string") return localMoment(value);
  return String(value);
}

/** As an input of a browser wants it: local time, to the minute. */
export function localMoment(time: string | number): string {
  const at = new Date(time);
  const pad = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** Words between commas or blanks. */
export const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== "");

/** A step of an escalation. */
interface Step {
  after: string;
  channels: string[];
}

/** `15m pager, 1h boss desk`: how long after, then who. */
export const steps = (text: string): Step[] =>
  text
    .split(",")
    .map((step) => words(step))
    .filter(([after]) => after !== undefined)
    .map(([after = "", ...channels]) => ({ after, channels }));

/** `key=value` between commas; a word without `=` has an empty value. */
export function pairs(text: string): Record<string, string> | undefined {
  const found = text
    .split(",")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "")
    .map((pair): [string, string] => {
      const cut = pair.indexOf("=");
      return cut === -1 ? [pair, ""] : [pair.slice(0, cut).trim(), pair.slice(cut + 1).trim()];
    });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((part, key) => (typeof part === "object" && part !== null ? (part as Record<string, unknown>)[key] : undefined), value);
}

/** Sets or removes a value; maps that become empty go with their last value, those that were empty stay. */
function put(target: Record<string, unknown>, [key = "", ...rest]: string[], value: unknown): void {
  if (rest.length === 0) {
    if (value === undefined) delete target[key];
    else target[key] = value;
    return;
  }
  const stays = isEmpty(target[key]);
  const inner = (typeof target[key] === "object" && target[key] !== null ? target[key] : {}) as Record<string, unknown>;
  put(inner, rest, value);
  if (isEmpty(inner) && !stays) delete target[key];
  else target[key] = inner;
}

const isEmpty = (value: unknown): boolean => typeof value === "object" && value !== null && Object.keys(value).length === 0;
