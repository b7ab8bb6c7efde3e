import { IconArrowBackUp, IconCheck, IconCircleDashed, IconEye, IconHourglass, IconLoader, IconPlugConnected, IconPlugConnectedX, IconX, type Icon } from "@tabler/icons-react";
import type { CSSProperties } from "react";
import type { PlanState, Severity, State, Verdict } from "../../api/types";
import { SEVERITY, STATE } from "../../theme/severity";
import { text } from "../text";
import classes from "./Badges.module.css";

interface Look {
  icon: Icon;
  color: string;
  word: string;
  tinted?: boolean;
  iconOnly?: boolean;
}

function Badge({ icon: Glyph, color, word, tinted, iconOnly }: Look) {
  return (
    <span className={tinted ? `${classes.badge} ${classes.tinted}` : classes.badge} style={{ "--hue": color } as CSSProperties} title={iconOnly ? word : undefined}>
      <Glyph size={tinted ? 14 : 16} stroke={1.5} aria-hidden />
      <span className={iconOnly ? "visually-hidden" : undefined}>{word}</span>
    </span>
  );
}

/** `iconOnly` where a column's title already says what it is. */
export function StateBadge({ state, tinted, iconOnly }: { state: State; tinted?: boolean; iconOnly?: boolean }) {
  const { icon, color } = STATE[state];
  return <Badge icon={icon} color={color} word={text.state[state]} tinted={tinted} iconOnly={iconOnly} />;
}

export function SeverityBadge({ severity, tinted, iconOnly }: { severity: Severity; tinted?: boolean; iconOnly?: boolean }) {
  const { icon, color } = SEVERITY[severity];
  return <Badge icon={icon} color={color} word={text.severity[severity]} tinted={tinted} iconOnly={iconOnly} />;
}

const PLAN: Record<PlanState, { icon: Icon; color: string }> = {
  preview: { icon: IconEye, color: "var(--text-2)" },
  applying: { icon: IconLoader, color: "var(--accent)" },
  applied: { icon: IconCheck, color: "var(--good)" },
  probation: { icon: IconHourglass, color: "var(--attention)" },
  kept: { icon: IconCheck, color: "var(--good)" },
  rolled_back: { icon: IconArrowBackUp, color: "var(--text-2)" },
  failed: { icon: IconX, color: "var(--bad)" },
};

export function PlanBadge({ state, tinted }: { state: PlanState; tinted?: boolean }) {
  return <Badge {...PLAN[state]} word={text.planState[state]} tinted={tinted} />;
}

const VERDICT: Record<Verdict["word"], { icon: Icon; color: string }> = {
  online: { icon: IconPlugConnected, color: "var(--text-2)" },
  silent: { icon: IconPlugConnectedX, color: "var(--bad)" },
  never: { icon: IconCircleDashed, color: "var(--unknown)" },
};

export function VerdictBadge({ word, tinted }: { word: Verdict["word"]; tinted?: boolean }) {
  return <Badge {...VERDICT[word]} word={text.verdict[word]} tinted={tinted} />;
}
