import { Button } from "@mantine/core";
import type { UserLink } from "../../api/types";
import { Command } from "../Command/Command";
import { TimeAgo } from "../TimeAgo/TimeAgo";
import { text } from "../text";
import { linkOf } from "./link";

/** A one-time link that sets a password, shown this once. */
export function OnceLink({ user, link, onDone }: { user: string; link: UserLink; onDone: () => void }) {
  return (
    <div style={{ display: "grid", gap: 12 }} role="status">
      <p>{text.onceLink.lead(user)}</p>
      <Command command={linkOf(window.location.origin, link.path)} note={text.onceLink.note} what={text.onceLink.what} />
      <p className="meta">
        {text.onceLink.ends} <TimeAgo time={link.expires_at} />
      </p>
      <div>
        <Button variant="filled" onClick={onDone}>
          {text.close}
        </Button>
      </div>
    </div>
  );
}
