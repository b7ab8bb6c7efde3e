import type { HostDetail } from "../../api/types";
import { Untrusted } from "../../parts/Command/Command";
import { StaleNote } from "../../parts/Notice/Notice";
import { isSilent } from "../../theme/verdict";
import { formatInteger, formatMoment } from "../../words/format";
import { useNow } from "../../words/now";
import { text } from "./text";

/** What must be known before anything on the page is believed: silence with its reason and what still
 * protects, an end of service, records that are missing. */
export function HostNotices({ host }: { host: HostDetail }) {
  const now = useNow(60_000);
  const { word, since, reason } = host.verdict;
  return (
    <>
      {host.standing === "retired" && <StaleNote>{text.retired}</StaleNote>}
      {word !== "online" && host.standing !== "retired" && (
        <StaleNote>
          {text.verdictSaid[word](formatMoment(since, now))}
          {reason && (
            <>
              {" ("}
              <Untrusted>{reason}</Untrusted>)
            </>
          )}
          {"."}
          {isSilent(word) && ` ${text.silentLast} ${text.silentStill}`}
        </StaleNote>
      )}
      <Lost lost={host.lost ?? {}} />
    </>
  );
}

function Lost({ lost }: { lost: Record<string, number> }) {
  const guards = Object.entries(lost).filter(([, n]) => n > 0);
  if (guards.length === 0) return null;
  const all = guards.reduce((sum, [, n]) => sum + n, 0);
  return (
    <StaleNote>
      {text.lost(all)} {guards.map(([guard, n]) => text.lostOf(guard, formatInteger(n))).join(", ")}.
    </StaleNote>
  );
}
