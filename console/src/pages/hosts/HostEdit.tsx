import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { act } from "../../api/queries";
import type { HostDetail, HostParams, Profile } from "../../api/types";
import { ErrorCard } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import { parseTags, printTags, tagsChange } from "../../words/tags";
import classes from "./HostPage.module.css";
import { text } from "./text";

/** Region, tags and profile in place: Enter saves, Esc leaves. Only what differs is sent. */
export function HostEdit({ host, onDone }: { host: HostDetail; onDone: () => void }) {
  const client = useQueryClient();
  const [region, setRegion] = useState(host.region ?? "");
  const [tagLine, setTagLine] = useState(() => printTags(host.tags));
  const [profile, setProfile] = useState<Profile>(host.profile);
  const { tags, wrong } = parseTags(tagLine);
  const change = useMutation({
    mutationFn: (body: HostParams) => act.hostChange(host.name, body),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["hosts"] });
      toast(text.saved(host.name));
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong !== null) return;
    const body = patchOf(host, { region: region.trim(), tags, profile });
    if (Object.keys(body).length === 0) onDone();
    else change.mutate(body);
  };
  return (
    <Card padded label={text.editLabel}>
      <form className={classes.edit} onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onDone()} noValidate>
        <TextInput autoFocus label={text.region} value={region} onChange={(event) => setRegion(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
        <TextInput
          label={text.tags}
          value={tagLine}
          onChange={(event) => setTagLine(event.currentTarget.value)}
          error={wrong === null ? undefined : text.tagWrong(wrong)}
          autoComplete="off"
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mono)" } }}
        />
        {host.kind === "agent" && (
          <NativeSelect label={text.profile} value={profile} onChange={(event) => setProfile(event.currentTarget.value as Profile)} data={["observe", "protect"]} />
        )}
        <div className={classes.editButtons}>
          <Button type="submit" variant="filled" loading={change.isPending}>
            {text.save}
          </Button>
          <Button onClick={onDone}>{words.cancel}</Button>
        </div>
      </form>
      {change.error && <ErrorCard doing={text.doingEdit} error={change.error} />}
    </Card>
  );
}

function patchOf(host: HostDetail, after: { region: string; tags: Record<string, string>; profile: Profile }): HostParams {
  const tags = tagsChange(host.tags, after.tags);
  return {
    ...(after.region === (host.region ?? "") ? {} : { region: after.region === "" ? null : after.region }),
    ...(Object.keys(tags).length > 0 ? { tags } : {}),
    ...(after.profile === host.profile ? {} : { profile: after.profile }),
  };
}
