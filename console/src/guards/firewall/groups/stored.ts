import { useCallback, useState } from "react";
import type { SecurityGroupSpec } from "../../../api/firewall";
import { changesOf, draftOf, type GroupDraft } from "./draft";

/** Drafts live in the tab: a sign-in in between, a reload or another page does not lose them. */

const PREFIX = "palisade.draft.group.";

export function readDraft(group: string): GroupDraft | null {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(PREFIX + group) ?? "null");
    return typeof found === "object" && found !== null && "rows" in found && Array.isArray(found.rows) ? (found as GroupDraft) : null;
  } catch {
    return null;
  }
}

export function keepDraft(group: string, draft: GroupDraft | null): void {
  if (draft === null) sessionStorage.removeItem(PREFIX + group);
  else sessionStorage.setItem(PREFIX + group, JSON.stringify(draft));
}

/** The groups that have a draft in this tab. */
export function draftNames(): string[] {
  return Object.keys(sessionStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => key.slice(PREFIX.length))
    .sort();
}

/** The draft of a group over what is saved; while nothing is changed it follows what is saved. */
export function useDraft(group: string, saved: { version: number; spec: SecurityGroupSpec } | null) {
  const [edited, setEdited] = useState(() => readDraft(group));
  const draft = edited ?? (saved === null ? null : draftOf(saved.version, saved.spec));
  const set = useCallback(
    (next: GroupDraft | null) => {
      const kept = next !== null && (changesOf(next) > 0 || next.version === 0) ? next : null;
      keepDraft(group, kept);
      setEdited(kept);
    },
    [group],
  );
  return { draft, set, changes: draft === null ? 0 : changesOf(draft), behind: edited !== null && saved !== null && saved.version !== edited.version };
}
