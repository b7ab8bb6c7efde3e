import { useDebouncedValue } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useReducer, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { sayError } from "../../../api/errors";
import { checkQuery, type Direction, type GroupDetail, placeOf } from "../../../api/firewall";
import type { Document } from "../../../api/monitor";
import { useCan } from "../../../parts/Action/useCan";
import { StaleNote } from "../../../parts/Notice/Notice";
import { Card } from "../../../parts/Page/Page";
import { Tabs } from "../../../parts/Tabs/Tabs";
import { toast } from "../../../parts/Toasts/Toasts";
import { changed, to } from "../../../paths";
import { DraftBar } from "./DraftBar";
import { documentOf, type GroupDraft, rowsOf } from "./draft";
import { Members } from "./Members";
import { RuleTable } from "./RuleTable";
import { Simulate } from "./Simulate";
import { useDraft } from "./stored";
import { text } from "./text";
import { useKnownPeers } from "./peers";

const ApplyDrawer = lazy(() => import("./ApplyDrawer"));
const YamlDrawer = lazy(() => import("./YamlDrawer"));

const CHECK_MS = 500;
type Part = Direction | "members";
const PARTS: readonly Part[] = ["in", "out", "members"];

/** Edits collect in a draft; nothing takes effect before its plan is applied. */
export function GroupEditor({ name, detail }: { name: string; detail?: GroupDetail }) {
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigate();
  const client = useQueryClient();
  const operator = useCan("operator");
  const can = typeof detail?.can.change === "string" ? detail.can.change : operator;
  const { draft, set, changes, behind } = useDraft(name, detail ? { version: detail.version, spec: detail.spec } : null);
  const [sending, setSending] = useState<{ document: Document; removes: boolean } | null>(null);
  const [epoch, renew] = useReducer((n: number) => n + 1, 0);
  const known = useKnownPeers();
  const document = useMemo(() => (draft && changes > 0 ? documentOf(name, draft) : null), [name, draft, changes]);
  const check = useCheck(document, can === true);
  if (draft === null) return null;

  const part = PARTS.find((one) => one === search.get("tab")) ?? "in";
  const tabs = PARTS.map((key) => ({ key, title: text.tab[key], to: changed(search, { tab: key === "in" ? null : key }), count: key === "members" ? detail?.hosts_total : rowsOf(draft, key).filter((row) => !row.removed).length }));
  const discard = () => {
    const before: GroupDraft = draft;
    set(null);
    renew();
    toast(text.discarded(name), { label: text.undo, run: () => restore(before) });
    if (!detail) void navigate(to.groups());
  };
  const restore = (before: GroupDraft) => {
    set(before);
    renew();
  };
  const done = async () => {
    const removed = sending?.removes ?? false;
    set(null);
    setSending(null);
    renew();
    await client.invalidateQueries();
    if (removed) void navigate(to.groups());
  };
  return (
    <>
      {behind && detail && <StaleNote>{text.behind(detail.updated_by)}</StaleNote>}
      <Tabs tabs={tabs} current={part} label={text.tabs} />
      {part === "members" ? (
        <Members key={epoch} draft={draft} detail={detail} can={can} onChange={set} />
      ) : (
        <Card label={text.tab[part]}>
          <RuleTable key={`${part} ${epoch}`} draft={draft} detail={detail} defaults={detail?.defaults} direction={part} known={known} can={can} refusal={check.place} onChange={set} />
        </Card>
      )}
      <Simulate drafts={document ? [document] : []} first={search.get("packet") ?? ""} />
      {changes > 0 && <DraftBar changes={changes} hosts={check.hosts} refusal={check.refusal} onDiscard={discard} onPreview={() => document && setSending({ document, removes: false })} />}
      <Suspense>
        <ApplyDrawer
          document={sending?.document ?? null}
          removes={sending?.removes ?? false}
          onDone={() => void done()}
          onClose={() => setSending(null)}
          onRebase={(version) => {
            set({ ...draft, version });
            setSending((now) => now && { ...now, document: { ...now.document, version } });
          }}
        />
        {detail && (
          <YamlDrawer
            opened={search.get("show") === "yaml"}
            detail={detail}
            onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
            onRemove={() => {
              setSearch(changed(search, { show: null }), { preventScrollReset: true });
              setSending({ document: { kind: "SecurityGroup", name, version: detail.version, spec: detail.spec }, removes: true });
            }}
          />
        )}
      </Suspense>
    </>
  );
}

/** What the server says of the draft: which hosts it would change, or what it refuses and where. */
function useCheck(document: Document | null, may: boolean) {
  const [asked] = useDebouncedValue(document, CHECK_MS);
  const { data, error, isPlaceholderData } = useQuery({ ...checkQuery(asked === null ? [] : [asked]), enabled: may && asked !== null });
  // An answer to an older draft would point at the wrong rule.
  const current = document !== null && asked === document && !isPlaceholderData;
  const refusal = current && error ? sayError(error).message : null;
  const place = current && error ? placeOf(error, "rules") : null;
  return {
    hosts: current && !error ? data?.plan.hosts.length : undefined,
    refusal,
    place: place && refusal !== null ? { ...place, message: refusal } : null,
  };
}
