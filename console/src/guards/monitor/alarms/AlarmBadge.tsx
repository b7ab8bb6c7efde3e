import { IconBellOff, IconBellRinging, IconCheck, IconHourglass, IconPlugConnectedX, IconEye, type Icon } from "@tabler/icons-react";
import type { AlarmState, AlarmView } from "../../../api/monitor";
import { Badge } from "../../../parts/Badges/Badges";
import { plain } from "../../../words/escape";
import { text } from "./text";

const STATE: Record<AlarmState | "ok", { icon: Icon; color: string }> = {
  firing: { icon: IconBellRinging, color: "var(--bad)" },
  pending: { icon: IconHourglass, color: "var(--attention)" },
  no_data: { icon: IconPlugConnectedX, color: "var(--unknown)" },
  resolved: { icon: IconCheck, color: "var(--text-2)" },
  expired: { icon: IconCheck, color: "var(--text-2)" },
  ok: { icon: IconCheck, color: "var(--text-2)" },
};

export function AlarmStateBadge({ state, tinted }: { state: AlarmState | "ok"; tinted?: boolean }) {
  return <Badge {...(STATE[state] ?? STATE.resolved)} word={text.states[state] ?? state} tinted={tinted} />;
}

/** The state with what takes from its weight: seen, silenced, hidden, or without samples; in words where
 * there is room for them. */
export function AlarmBadges({ alarm, tinted }: { alarm: AlarmView; tinted?: boolean }) {
  return (
    <span style={{ display: "inline-flex", flexWrap: "wrap", verticalAlign: "middle", gap: "2px 8px" }}>
      <AlarmStateBadge state={alarm.state} tinted={tinted} />
      {alarm.stale && <Badge icon={IconPlugConnectedX} color="var(--unknown)" word={text.staleShort} tinted={tinted} iconOnly={!tinted} />}
      {alarm.acknowledged && <Badge icon={IconEye} color="var(--text-2)" word={text.acknowledged(plain(alarm.acknowledged.by))} tinted={tinted} iconOnly={!tinted} />}
      {alarm.silenced && <Badge icon={IconBellOff} color="var(--text-2)" word={text.silenced(plain(alarm.silenced.name))} tinted={tinted} iconOnly={!tinted} />}
      {alarm.inhibited_by && <Badge icon={IconBellOff} color="var(--text-2)" word={text.inhibited} tinted={tinted} iconOnly={!tinted} />}
    </span>
  );
}
