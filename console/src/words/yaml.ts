/** A document as YAML, for people and for `palisade apply -f`: maps, lists and plain values; empty ones are left out. */

const PLAIN = /^[A-Za-z_./][A-Za-z0-9_./ -]*$/;
const MEANS_SOMETHING = /^(true|false|null|yes|no|on|off|~)$/i;
/** Deeper values are written in one line, as JSON. */
const DEPTH_MAX = 8;

export function toYaml(value: unknown, indent = 0): string {
  if (Array.isArray(value)) return value.map((item) => `${pad(indent)}- ${block(item, indent + 1).trimStart()}`).join("");
  return Object.entries(value as object)
    .filter(([, part]) => part !== undefined && part !== null)
    .map(([key, part]) => {
      if (!isNested(part) || indent >= DEPTH_MAX) return `${pad(indent)}${word(key)}: ${scalar(part)}\n`;
      return `${pad(indent)}${word(key)}:\n${toYaml(part, indent + 1)}`;
    })
    .join("");
}

function block(item: unknown, indent: number): string {
  return isNested(item) ? toYaml(item, indent) : `${scalar(item)}\n`;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null && (Array.isArray(value) ? value.length > 0 : Object.values(value).some((part) => part !== undefined));
}

function scalar(value: unknown): string {
  return typeof value === "string" ? word(value) : JSON.stringify(value);
}

function word(text: string): string {
  return PLAIN.test(text) && !MEANS_SOMETHING.test(text) && text.trim() === text ? text : JSON.stringify(text);
}

const pad = (indent: number) => "  ".repeat(indent);
