import { Button } from "@mantine/core";
import { IconCheck, IconHourglass } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { hostQuery, useList } from "../../api/queries";
import type { JoinTokenMade } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { save } from "../../parts/DataTable/export";
import { StaleNote } from "../../parts/Notice/Notice";
import { Facts } from "../../parts/Page/Page";
import { Segments } from "../../parts/Tabs/Tabs";
import { Tags } from "../../parts/Tags/Tags";
import { toast } from "../../parts/Toasts/Toasts";
import { changed, to } from "../../paths";
import { formatCountdown } from "../../words/format";
import { useNow } from "../../words/now";
import classes from "./JoinToken.module.css";
import { text } from "./text";

/** In case a message of the stream was lost. */
const ASK_EVERY_MS = 5_000;

/** A join token, shown once: what to do with it, how long it works, and who comes in with it. */
export function JoinToken({ made, onAgain }: { made: JoinTokenMade; onAgain: () => void }) {
  const [search] = useSearchParams();
  const how = search.get("how") === "cloud-init" ? "cloud-init" : "command";
  const left_ms = Date.parse(made.expires_at) - useNow();
  const row = useList("join-tokens", {}, ASK_EVERY_MS).rows?.find(({ id }) => id === made.id);
  const joined = row?.joined[0];
  return (
    <div className={classes.body}>
      {made.warning && <StaleNote>{made.warning}</StaleNote>}
      <Segments
        label={text.how}
        current={how}
        options={(["command", "cloud-init"] as const).map((key) => ({ key, title: text.hows[key], to: changed(search, { how: key === "command" ? null : key }) }))}
      />
      {how === "command" ? <ByCommand made={made} /> : <ByCloudInit made={made} />}
      <div className={classes.facts}>
        <Facts
          pairs={[
            [text.tokenEnds, left_ms > 0 ? <Countdown left_ms={left_ms} /> : text.tokenEnded],
            [text.tokenUses, text.onceOnly],
            [text.profile, made.profile],
            [text.region, made.region ?? null],
            [text.tags, Object.keys(made.tags).length > 0 ? <Tags tags={made.tags} /> : null],
            [text.rootFingerprint, <span className="mono">{made.root_fingerprint}</span>],
          ]}
        />
        <p className="meta">{text.rootNote}</p>
      </div>
      {joined ? <Arrived host={joined} /> : <Waiting ended={left_ms <= 0} onAgain={onAgain} />}
    </div>
  );
}

function Countdown({ left_ms }: { left_ms: number }) {
  return (
    <span className={classes.clock} role="timer">
      {formatCountdown(left_ms)}
    </span>
  );
}

function ByCommand({ made }: { made: JoinTokenMade }) {
  return (
    <>
      <Command command={made.command} on={text.newHost} as={text.asRoot} />
      {!made.command.includes(made.token) && (
        <>
          <p>{text.tokenLead}</p>
          <Command command={made.token} note={text.tokenNote} what={text.tokenWhat} />
        </>
      )}
    </>
  );
}

function ByCloudInit({ made }: { made: JoinTokenMade }) {
  return (
    <>
      <p>{text.scriptLead}</p>
      <div className={classes.script} tabIndex={0} role="region" aria-label={text.scriptLabel}>
        <Command command={made.script} note={text.scriptNote} what={text.scriptWhat} />
      </div>
      <div className={classes.row}>
        <Button onClick={() => save("palisade-join.sh", "text/x-shellscript", made.script)}>{text.download}</Button>
        <span className="meta">{text.scriptSecret}</span>
      </div>
    </>
  );
}

function Waiting({ ended, onAgain }: { ended: boolean; onAgain: () => void }) {
  return (
    <div className={classes.arrival} role="status">
      <IconHourglass size={16} stroke={1.5} aria-hidden />
      <div>
        <p>{ended ? text.endedLead : text.waiting}</p>
        {ended ? (
          <Button mt={8} onClick={onAgain}>
            {text.again}
          </Button>
        ) : (
          <p className="meta">{text.waitingNote}</p>
        )}
      </div>
    </div>
  );
}

/** It has joined; as soon as it is heard of, this leads to its page. */
function Arrived({ host }: { host: string }) {
  const navigate = useNavigate();
  const { data } = useQuery({ ...hostQuery(host), refetchInterval: ASK_EVERY_MS });
  const online = data?.verdict.word === "online";
  useEffect(() => {
    if (!online) return;
    toast(text.arrived(host));
    void navigate(to.host(host));
  }, [online, host, navigate]);
  return (
    <div className={classes.arrival} role="status">
      <IconCheck size={16} stroke={1.5} aria-hidden data-done />
      <p>{text.joined(host)}</p>
      <IconHourglass size={16} stroke={1.5} aria-hidden />
      <div>
        <p>{text.firstReport}</p>
        <p className="meta">{text.firstReportNote}</p>
        <Command command={text.agentCommand} on={host} as={text.asRoot} />
      </div>
    </div>
  );
}
