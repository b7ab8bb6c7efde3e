import type { AllowParams, BanParams } from "../../api/types";

/** The form as it stands on the screen; turned into the API's shape when it is sent. */
export interface Draft {
  address: string;
  reason: string;
  for: string;
  hosts: string;
  probation: boolean;
}

export const EMPTY_DRAFT: Draft = { address: "", reason: "", for: "12h", hosts: "", probation: false };
const PROBATION = "60s";

export function banParams(draft: Draft, dry_run: boolean): BanParams {
  const hosts = hostsOf(draft);
  return {
    address: draft.address.trim(),
    ...(draft.for === "" ? {} : { for: draft.for }),
    ...(draft.reason.trim() === "" ? {} : { reason: draft.reason.trim() }),
    ...(draft.probation ? { probation: PROBATION } : {}),
    ...(hosts.length === 0 ? {} : { hosts }),
    dry_run,
  };
}

export function allowParams(draft: Draft, dry_run: boolean): AllowParams {
  return {
    cidr: draft.address.trim(),
    ...(draft.for === "" ? {} : { for: draft.for }),
    ...(draft.reason.trim() === "" ? {} : { reason: draft.reason.trim() }),
    dry_run,
  };
}

/** The same change on the command line. */
export function asCommand(list: "bans" | "allow", draft: Draft): string {
  const reason = draft.reason.trim() === "" ? "" : ` --reason ${quote(draft.reason.trim())}`;
  const time = draft.for === "" ? "" : ` --for ${draft.for}`;
  if (list === "allow") return `palisade firewall allow add ${quote(draft.address.trim())}${time}${reason}`;
  const hosts = hostsOf(draft).map((host) => ` --host ${quote(host)}`);
  return `palisade firewall ban add ${quote(draft.address.trim())}${time}${reason}${hosts.join("")}${draft.probation ? ` --probation ${PROBATION}` : ""}`;
}

function hostsOf(draft: Draft): string[] {
  return draft.hosts.split(/[\s,]+/).filter((host) => host !== "");
}

/** One word for a POSIX shell. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
