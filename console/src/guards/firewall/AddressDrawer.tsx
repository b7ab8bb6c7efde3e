import { Button, Checkbox, Drawer, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { act } from "../../api/queries";
import type { Plan } from "../../api/types";
import { Command } from "../../parts/Command/Command";
import { useOpened } from "../../parts/Late/useOpened";
import { ErrorCard } from "../../parts/Notice/Notice";
import { PlanPreview } from "../../parts/PlanPreview/PlanPreview";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import { changed } from "../../paths";
import { allowParams, asCommand, type Draft, EMPTY_DRAFT, banParams } from "./draft";
import { text } from "./text";

type ListName = "bans" | "allow";

/** `?show=add`: an address for one of the lists; form, then plan, then apply. */
export default function AddressDrawer({ list }: { list: ListName }) {
  const [search, setSearch] = useSearchParams();
  const opened = search.get("show") === "add";
  const close = () => setSearch(changed(search, { show: null, address: null }), { preventScrollReset: true });
  return (
    <Drawer opened={useOpened(opened)} onClose={close} position="right" size={560} title={list === "bans" ? text.add : text.addAllow} closeButtonProps={{ "aria-label": words.close }}>
      <AddressForm list={list} address={search.get("address") ?? ""} onDone={close} />
    </Drawer>
  );
}

function AddressForm({ list, address, onDone }: { list: ListName; address: string; onDone: () => void }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<Draft>({ ...EMPTY_DRAFT, address, ...(list === "allow" ? { for: "30d" } : {}) });
  const [missing, setMissing] = useState(false);
  const send = (dry_run: boolean) => (list === "bans" ? act.banAdd(banParams(draft, dry_run)) : act.allowAdd(allowParams(draft, dry_run)));
  const preview = useMutation({ mutationFn: () => send(true) });
  const apply = useMutation({
    mutationFn: () => send(false),
    onSuccess: async (plan) => {
      toast(plan.state === "probation" ? text.form.started(plan.title) : text.form.applied(plan.title));
      onDone();
      await client.invalidateQueries();
    },
  });
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const incomplete = draft.address.trim() === "";
    setMissing(incomplete);
    if (!incomplete) preview.mutate();
  };

  if (preview.data) {
    return (
      <Confirm
        plan={preview.data}
        command={asCommand(list, draft)}
        probation={list === "bans" && draft.probation}
        applying={apply.isPending}
        error={apply.error}
        onApply={() => apply.mutate()}
        onBack={() => {
          apply.reset();
          preview.reset();
        }}
      />
    );
  }
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 16 }} noValidate>
      <TextInput
        data-autofocus
        label={text.form.address}
        description={text.form.addressNote}
        value={draft.address}
        onChange={(event) => change({ address: event.currentTarget.value })}
        error={missing && draft.address.trim() === "" ? text.form.addressNeeded : undefined}
        styles={{ input: { fontFamily: "var(--mono)" } }}
        autoComplete="off"
        spellCheck={false}
      />
      <TextInput
        label={text.form.reason}
        description={text.form.reasonNote}
        value={draft.reason}
        onChange={(event) => change({ reason: event.currentTarget.value })}
      />
      <NativeSelect
        label={text.form.time}
        value={draft.for}
        onChange={(event) => change({ for: event.currentTarget.value })}
        data={Object.entries(text.form.times).map(([value, label]) => ({ value, label }))}
      />
      {list === "bans" && (
        <>
          <TextInput label={text.form.hosts} description={text.form.hostsNote} value={draft.hosts} onChange={(event) => change({ hosts: event.currentTarget.value })} spellCheck={false} />
          <Checkbox label={text.form.probation} checked={draft.probation} onChange={(event) => change({ probation: event.currentTarget.checked })} />
        </>
      )}
      {preview.error && <ErrorCard doing={text.form.doingPreview} error={preview.error} />}
      <div>
        <Button type="submit" variant="filled" loading={preview.isPending}>
          {text.form.preview}
        </Button>
      </div>
    </form>
  );
}

function Confirm(props: { plan: Plan; command: string; probation: boolean; applying: boolean; error: unknown; onApply: () => void; onBack: () => void }) {
  const opensWorld = props.plan.effects.some((effect) => effect.kind === "opens" && ["high", "critical"].includes(effect.severity));
  const [meant, setMeant] = useState(false);
  useFocusOnOpen();
  return (
    <div style={{ display: "grid", gap: 16 }}>
      <h2 tabIndex={-1} data-plan-title style={{ outline: "none" }}>
        {props.plan.title}
      </h2>
      <PlanPreview plan={props.plan} />
      <Command command={props.command} note={words.plan.asCommand.toLowerCase()} />
      {opensWorld && <Checkbox label={words.plan.expectWorld} checked={meant} onChange={(event) => setMeant(event.currentTarget.checked)} />}
      {props.error !== null && <ErrorCard doing={text.form.doingApply} error={props.error} />}
      <div style={{ display: "flex", gap: 8 }}>
        <Button variant="filled" loading={props.applying} disabled={opensWorld && !meant} onClick={props.onApply}>
          {props.probation ? text.form.applyProbation : text.form.apply}
        </Button>
        <Button onClick={props.onBack}>{text.form.back}</Button>
      </div>
    </div>
  );
}

/** The form has gone; the focus goes to the title of the plan instead of nowhere. */
function useFocusOnOpen(): void {
  useEffect(() => document.querySelector<HTMLElement>("[data-plan-title]")?.focus(), []);
}
