import { Tooltip } from "@mantine/core";
import { IconAntennaOff, IconCertificateOff, IconCircleDashed, IconClockExclamation, IconEye, IconPlayerStop, IconPlugConnected, IconPlugX, type Icon } from "@tabler/icons-react";
import type { Verdict, VerdictWord } from "../../api/types";
import { plain } from "../../words/escape";
import { formatAbsolute } from "../../words/format";
import { TimeAgo } from "../TimeAgo/TimeAgo";
import { text } from "../text";
import { Badge } from "./Badges";

const VERDICT: Record<VerdictWord, { icon: Icon; color: string }> = {
  online: { icon: IconPlugConnected, color: "var(--text-2)" },
  ended: { icon: IconPlayerStop, color: "var(--attention)" },
  killed: { icon: IconPlugX, color: "var(--bad)" },
  unreachable: { icon: IconAntennaOff, color: "var(--bad)" },
  clock_wrong: { icon: IconClockExclamation, color: "var(--attention)" },
  never: { icon: IconCircleDashed, color: "var(--unknown)" },
  agentless: { icon: IconEye, color: "var(--text-2)" },
  revoked: { icon: IconCertificateOff, color: "var(--bad)" },
};

export function VerdictBadge({ word, tinted }: { word: VerdictWord; tinted?: boolean }) {
  return <Badge {...VERDICT[word]} word={text.verdict[word]} tinted={tinted} />;
}

/** A verdict with its age; what shows it comes on hover and focus. */
export function VerdictNote({ verdict }: { verdict: Verdict }) {
  const { word, since, reason } = verdict;
  const badge = <VerdictBadge word={word} />;
  if (word === "online" || word === "agentless") return badge;
  if (!reason) {
    return (
      <>
        {badge} <TimeAgo time={since} dense />
      </>
    );
  }
  return (
    <Tooltip label={`${plain(reason)} (${formatAbsolute(since)})`}>
      <span tabIndex={0} data-above>
        {badge}{" "}
        <span className="meta">
          <TimeAgo time={since} dense />
        </span>
      </span>
    </Tooltip>
  );
}
