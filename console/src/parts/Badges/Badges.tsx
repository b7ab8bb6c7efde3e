import type { Icon } from "@tabler/icons-react";
import type { CSSProperties } from "react";
import type { Severity, State } from "../../api/types";
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

/** Shape, colour and word together: none of the three stands alone. */
export function Badge({ icon: Glyph, color, word, tinted, iconOnly }: Look) {
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
