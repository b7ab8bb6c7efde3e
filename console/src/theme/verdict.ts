import type { VerdictWord } from "../api/types";

/** Words that say that reports are missing which should come; the worst first. */
export const SILENT_WORDS: readonly VerdictWord[] = ["unreachable", "killed", "clock_wrong", "ended"];

/** All words, the ones that need somebody first. */
export const VERDICT_WORDS: readonly VerdictWord[] = [...SILENT_WORDS, "never", "revoked", "online", "agentless"];

export function isSilent(word: VerdictWord): boolean {
  return SILENT_WORDS.includes(word);
}

/** True while what is shown of a host is as new as it should be; nothing else is expected of an agentless one. */
export function isHeard(word: VerdictWord): boolean {
  return word === "online" || word === "agentless";
}
