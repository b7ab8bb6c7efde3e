import { IconArrowBackUp, IconCheck, IconCircleHalf2, IconEye, IconHourglass, IconLoader, IconX, type Icon } from "@tabler/icons-react";
import type { PlanHost, PlanState } from "../../api/types";
import { text } from "../text";
import { Badge } from "./Badges";

const PLAN: Record<PlanState, { icon: Icon; color: string }> = {
  preview: { icon: IconEye, color: "var(--text-2)" },
  applying: { icon: IconLoader, color: "var(--accent)" },
  applied: { icon: IconCheck, color: "var(--good)" },
  probation: { icon: IconHourglass, color: "var(--attention)" },
  kept: { icon: IconCheck, color: "var(--good)" },
  rolled_back: { icon: IconArrowBackUp, color: "var(--text-2)" },
  partial: { icon: IconCircleHalf2, color: "var(--attention)" },
  failed: { icon: IconX, color: "var(--bad)" },
};

export function PlanBadge({ state, tinted }: { state: PlanState; tinted?: boolean }) {
  return <Badge {...PLAN[state]} word={text.planState[state]} tinted={tinted} />;
}

const HOST: Record<PlanHost["state"], { icon: Icon; color: string }> = {
  waiting: { icon: IconLoader, color: "var(--text-2)" },
  applied: PLAN.applied,
  failed: PLAN.failed,
  rolled_back: PLAN.rolled_back,
};

/** How far a plan is on one host. */
export function HostStateBadge({ state }: { state: PlanHost["state"] }) {
  return <Badge {...HOST[state]} word={text.hostState[state]} />;
}
