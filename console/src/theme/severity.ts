import {
  IconAlertCircle,
  IconAlertOctagonFilled,
  IconAlertTriangleFilled,
  IconInfoSquare,
  IconShieldCheck,
  IconShieldExclamation,
  IconShieldOff,
  IconShieldQuestion,
  IconShieldX,
  type Icon,
} from "@tabler/icons-react";
import type { Severity, State } from "../api/types";

/** The one mapping of severities and states to shape and colour. Colours are token names. */
export const SEVERITY: Record<Severity, { icon: Icon; color: string }> = {
  critical: { icon: IconAlertOctagonFilled, color: "var(--critical)" },
  high: { icon: IconAlertTriangleFilled, color: "var(--high)" },
  medium: { icon: IconAlertCircle, color: "var(--medium)" },
  low: { icon: IconInfoSquare, color: "var(--low)" },
  informational: { icon: IconInfoSquare, color: "var(--informational)" },
};

export const SEVERITIES: Severity[] = ["critical", "high", "medium", "low", "informational"];

export const STATE: Record<State, { icon: Icon; color: string }> = {
  good: { icon: IconShieldCheck, color: "var(--good)" },
  attention: { icon: IconShieldExclamation, color: "var(--attention)" },
  unknown: { icon: IconShieldQuestion, color: "var(--unknown)" },
  unprotected: { icon: IconShieldOff, color: "var(--unprotected)" },
  bad: { icon: IconShieldX, color: "var(--bad)" },
};
