import type { Selector } from "../../../api/firewall";
import { pairs, words } from "../../../parts/ResourceForm/fields";

/** Which hosts, as it is typed. */
export interface SelectorForm {
  all: boolean;
  hosts: string;
  tags: string;
  region: string;
}

export function selectorForm(selector: Selector): SelectorForm {
  return {
    all: selector.all ?? false,
    hosts: (selector.hosts ?? []).join(", "),
    tags: Object.entries(selector.tags ?? {}).map(([key, value]) => `${key}=${value}`).join(", "),
    region: selector.region ?? "",
  };
}

export function selectorOf(form: SelectorForm): Selector {
  if (form.all) return { all: true };
  const hosts = words(form.hosts);
  const tags = pairs(form.tags);
  const region = form.region.trim();
  return { ...(hosts.length > 0 ? { hosts } : {}), ...(tags ? { tags } : {}), ...(region === "" ? {} : { region }) };
}

/** The same in a few words; an empty one is nobody. */
export function saySelector(selector: Selector): string {
  if (selector.all) return "*";
  return Object.values(selectorForm(selector)).filter((part) => typeof part === "string" && part !== "").join(" · ");
}
