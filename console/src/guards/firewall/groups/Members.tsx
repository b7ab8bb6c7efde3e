import { Checkbox, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import type { GroupDetail, Selector } from "../../../api/firewall";
import { HostLink } from "../../../parts/HostLink/HostLink";
import { Card } from "../../../parts/Page/Page";
import type { GroupDraft } from "./draft";
import classes from "./Groups.module.css";
import { type SelectorForm, selectorForm, selectorOf } from "./selector";
import { text } from "./text";

/** Which hosts the group holds, and how they stand to each other. */
export function Members({ draft, detail, can, onChange }: { draft: GroupDraft; detail?: GroupDetail; can: true | string; onChange: (draft: GroupDraft) => void }) {
  const { spec } = draft;
  const change = (part: Partial<GroupDraft["spec"]>) => onChange({ ...draft, spec: { ...spec, ...part } });
  const hosts = detail?.hosts ?? [];
  const more = (detail?.hosts_total ?? 0) - hosts.length;
  return (
    <>
      <Card title={text.members} aside={<span className="meta">{text.membersLead}</span>} padded>
        <fieldset disabled={can !== true} style={{ border: 0, margin: 0, padding: 0, minInlineSize: 0 }}>
          <div className={classes.fields}>
            <SelectorFields value={spec.members ?? {}} onChange={(members) => change({ members })} />
            <NativeSelect label={text.intra} value={spec.intra ?? "isolate"} data={Object.entries(text.intraWords).map(([value, label]) => ({ value, label }))} onChange={(event) => change({ intra: event.currentTarget.value === "allow" ? "allow" : "isolate" })} />
            <TextInput label={text.description} value={spec.description ?? ""} onChange={(event) => change({ description: event.currentTarget.value })} />
          </div>
        </fieldset>
      </Card>
      {detail && (
        <Card title={text.nowMembers(detail.hosts_total)} padded>
          {hosts.length === 0 ? (
            <p className="meta">{text.noMembers}</p>
          ) : (
            <div className={classes.hosts}>
              {hosts.map((host) => (
                <HostLink key={host} host={host} tab="firewall" />
              ))}
              {more > 0 && <span className="meta">{text.moreMembers(more)}</span>}
            </div>
          )}
        </Card>
      )}
    </>
  );
}

/** The fields keep what is typed; what it means goes out with every key. */
export function SelectorFields({ value, onChange }: { value: Selector; onChange: (value: Selector) => void }) {
  const [form, setForm] = useState<SelectorForm>(() => selectorForm(value));
  const change = (part: Partial<SelectorForm>) => {
    const next = { ...form, ...part };
    setForm(next);
    onChange(selectorOf(next));
  };
  const field = (key: "hosts" | "tags" | "region") => ({ value: form[key], disabled: form.all, onChange: (event: { currentTarget: { value: string } }) => change({ [key]: event.currentTarget.value }), styles: { input: { fontFamily: "var(--mono)" } }, autoComplete: "off", spellCheck: false });
  return (
    <>
      <TextInput label={text.memberTags} placeholder={text.memberTagsNote} {...field("tags")} />
      <TextInput label={text.memberHosts} placeholder={text.memberHostsNote} {...field("hosts")} />
      <TextInput label={text.memberRegion} {...field("region")} />
      <div className={classes.checks}>
        <Checkbox label={text.memberAll} checked={form.all} onChange={(event) => change({ all: event.currentTarget.checked })} />
      </div>
    </>
  );
}
