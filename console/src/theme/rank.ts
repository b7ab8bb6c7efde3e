import type { Severity, State } from "../api/types";

/** Orders of the API's own words: larger is worse. */
export const SEVERITY_RANK: Record<Severity, number> = { informational: 0, low: 1, medium: 2, high: 3, critical: 4 };
export const STATE_BADNESS: Record<State, number> = { good: 0, attention: 1, unknown: 2, unprotected: 3, bad: 4 };

/** The worst of several states decides, never an average. */
export function worstState(states: readonly State[]): State | null {
  return states.reduce<State | null>((worst, state) => (worst === null || STATE_BADNESS[state] > STATE_BADNESS[worst] ? state : worst), null);
}
