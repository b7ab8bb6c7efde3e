import { NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { act } from "../../api/queries";
import type { JoinTokenParams, Profile } from "../../api/types";
import { Action } from "../../parts/Action/Action";
import { useCan } from "../../parts/Action/useCan";
import { ErrorCard } from "../../parts/Notice/Notice";
import { parseTags } from "../../words/tags";
import { JoinToken } from "./JoinToken";
import { text } from "./text";

/** Long enough to walk over to the machine, too short to be found later. */
const TOKEN_FOR = "15m";

/** What the host shall be, then a token for it. Nothing is made by opening: an address changes nothing. */
export function AddHost() {
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: (params: JoinTokenParams) => act.joinTokenMake(params),
    onSuccess: () => client.invalidateQueries({ queryKey: ["join-tokens"] }),
  });
  if (make.data) return <JoinToken key={make.data.id} made={make.data} onAgain={make.reset} />;
  return <Wishes error={make.error} loading={make.isPending} onMake={make.mutate} />;
}

function Wishes({ error, loading, onMake }: { error: unknown; loading: boolean; onMake: (params: JoinTokenParams) => void }) {
  const can = useCan("admin");
  const [profile, setProfile] = useState<Profile>("observe");
  const [region, setRegion] = useState("");
  const [tagLine, setTagLine] = useState("");
  const [url, setUrl] = useState("");
  const { tags, wrong } = parseTags(tagLine);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong === null && can === true) onMake({ profile, tags, uses: 1, for: TOKEN_FOR, ...(region.trim() ? { region: region.trim() } : {}), ...(url.trim() ? { url: url.trim() } : {}) });
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <p>{text.addLead}</p>
      <NativeSelect
        data-autofocus
        label={text.profile}
        description={text.profileNote[profile]}
        value={profile}
        onChange={(event) => setProfile(event.currentTarget.value as Profile)}
        data={[
          { value: "observe", label: text.profiles.observe },
          { value: "protect", label: text.profiles.protect },
        ]}
      />
      <TextInput label={text.region} description={text.regionNote} value={region} onChange={(event) => setRegion(event.currentTarget.value)} autoComplete="off" spellCheck={false} />
      <TextInput
        label={text.tags}
        description={text.tagsNote}
        value={tagLine}
        onChange={(event) => setTagLine(event.currentTarget.value)}
        error={wrong === null ? undefined : text.tagWrong(wrong)}
        autoComplete="off"
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mono)" } }}
      />
      <TextInput label={text.url} description={text.urlNote} placeholder="https://palisade.example.org:8443" value={url} onChange={(event) => setUrl(event.currentTarget.value)} autoComplete="off" spellCheck={false} type="url" />
      {error !== null && <ErrorCard doing={text.doingToken} error={error} />}
      <div>
        <Action type="submit" variant="filled" can={can} loading={loading}>
          {text.makeCommand}
        </Action>
      </div>
    </form>
  );
}
