import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type PacketVerdict, simulateQuery } from "../../../api/firewall";
import type { Document } from "../../../api/monitor";
import { sayError } from "../../../api/errors";
import { Untrusted } from "../../../parts/Command/Command";
import { Card } from "../../../parts/Page/Page";
import classes from "./Groups.module.css";
import { ActionWord } from "./RuleRow";
import { text } from "./text";

const DELAY_MS = 300;

/** What becomes of one packet now, and what would with the draft, while it is typed. */
export function Simulate({ drafts, first = "" }: { drafts: Document[]; first?: string }) {
  const [packet, setPacket] = useState(first);
  const [asked] = useDebouncedValue(packet.trim(), DELAY_MS);
  const { data, error, isPlaceholderData } = useQuery({ ...simulateQuery(asked, drafts), enabled: asked !== "" });
  const shown = asked === "" ? undefined : data;
  const { message, hint } = error && asked !== "" ? sayError(error) : { message: undefined, hint: null };
  return (
    <Card title={text.simulate} padded>
      <div className={classes.simulate}>
        <TextInput
          label={text.packet}
          placeholder={text.packetNote}
          value={packet}
          onChange={(event) => setPacket(event.currentTarget.value)}
          error={message && `${message}${hint ? ` · ${hint}` : ""}`}
          styles={{ input: { fontFamily: "var(--mono)", fontVariantLigatures: "none" } }}
          autoComplete="off"
          spellCheck={false}
        />
        <div className={classes.verdicts} role="status" data-old={isPlaceholderData ? "" : undefined}>
          {shown && !error && (
            <>
              <Verdict when={text.now} verdict={shown.now} />
              {shown.draft && <Verdict when={text.draft} verdict={shown.draft} />}
            </>
          )}
        </div>
      </div>
    </Card>
  );
}

export function Verdict({ when, verdict }: { when: string; verdict: PacketVerdict }) {
  return (
    <span className={classes.verdict}>
      <span className="meta">{when}</span>
      <ActionWord action={verdict.action} />
      <span className="mono">{verdict.by === "rule" ? verdict.id : text.decides[verdict.by]}</span>
      <span className="meta">
        <Untrusted>{verdict.sentence}</Untrusted>
      </span>
    </span>
  );
}
