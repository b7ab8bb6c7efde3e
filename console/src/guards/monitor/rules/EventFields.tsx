import { NativeSelect, TextInput } from "@mantine/core";
import { SEVERITIES } from "../../../theme/severity";
import type { RuleDraft } from "./draft";
import classes from "./Rules.module.css";
import { text } from "./text";

/** A rule about events: which, how often, and what clears it. */
export function EventFields({ draft: { event }, change }: { draft: RuleDraft; change: (part: Partial<RuleDraft>) => void }) {
  const set = (part: Partial<RuleDraft["event"]>) => change({ event: { ...event, ...part } });
  const mono = { input: { fontFamily: "var(--mono)" } };
  return (
    <div className={classes.fields}>
      <TextInput className={classes.wide} label={text.eventKind} description={text.eventKindNote} value={event.kind} onChange={(e) => set({ kind: e.currentTarget.value })} styles={mono} spellCheck={false} />
      <NativeSelect label={text.eventSeverity} value={event.severity} data={[{ value: "", label: text.any }, ...SEVERITIES.map((value) => ({ value, label: value }))]} onChange={(e) => set({ severity: e.currentTarget.value })} />
      <TextInput label={text.eventTimes} inputMode="numeric" value={event.times} onChange={(e) => set({ times: e.currentTarget.value })} styles={mono} />
      <TextInput label={text.eventWithin} value={event.within} onChange={(e) => set({ within: e.currentTarget.value })} styles={mono} />
      <TextInput label={text.eventClear} value={event.clear} onChange={(e) => set({ clear: e.currentTarget.value })} styles={mono} spellCheck={false} />
    </div>
  );
}
