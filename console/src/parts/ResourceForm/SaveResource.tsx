import { Button, Checkbox } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { ApiError } from "../../api/errors";
import { type Conflict, type Document, monitorAct } from "../../api/monitor";
import { SEVERITY_RANK } from "../../theme/rank";
import { formatSpan } from "../../words/format";
import { toYaml } from "../../words/yaml";
import { Command } from "../Command/Command";
import { readData } from "../EventTable/data";
import { Changes } from "../EventTable/Changes";
import { BlockSkeleton, ErrorCard } from "../Notice/Notice";
import { PlanPreview } from "../PlanPreview/PlanPreview";
import { toast } from "../Toasts/Toasts";
import { text } from "../text";
import classes from "./ResourceForm.module.css";

interface SaveResourceProps {
  document: Document;
  /** It is removed instead. */
  removes?: boolean;
  /** The change returns by itself after this time unless it is kept: `60s`. */
  probation?: string;
  onDone: () => void;
  onBack: () => void;
  /** Takes the version that stands now as the one that is edited. */
  onRebase?: (conflict: Conflict) => void;
}

/** What saving or removing would change, then the act itself: a dry run first, always. */
export function SaveResource({ document, removes = false, probation, onDone, onBack, onRebase }: SaveResourceProps) {
  const client = useQueryClient();
  const heading = useRef<HTMLHeadingElement>(null);
  const [force, setForce] = useState(false);
  const [meant, setMeant] = useState(false);
  const options = { ...(probation === undefined ? {} : { probation }), ...(force ? { force } : {}) };
  const act = (dry_run: boolean) => (removes ? monitorAct.resourceDelete(document.kind, document.name, document.version ?? 0, dry_run) : monitorAct.apply([document], dry_run, options));
  const preview = useMutation({ mutationFn: () => act(true) });
  const apply = useMutation({
    mutationFn: () => act(false),
    onSuccess: async () => {
      toast(tried !== null ? text.resource.trying(document.name) : removes ? text.resource.deleted(document.name) : text.resource.saved(document.name));
      // The lists first, those of other pages too: what was saved here must not come as somebody's news.
      await client.invalidateQueries({ predicate: ({ queryKey }) => /^(monitor|firewall|resources)\//.test(String(queryKey[0])), refetchType: "all" });
      onDone();
      await client.invalidateQueries();
    },
  });
  const { mutate } = preview;
  const key = JSON.stringify([document, force]);
  useEffect(() => mutate(), [mutate, key]);
  // The form has gone; the focus goes to this title instead of nowhere.
  useEffect(() => heading.current?.focus(), []);
  const conflict = conflictOf(preview.error) ?? conflictOf(apply.error);
  /** What the plan says: a change of no host is not tried, and removing a group is, though nobody asks for it. */
  const tried = preview.data?.plan.probation_s ?? null;
  const changes = preview.data?.results.flatMap((result) => result.changes) ?? [];
  const opensWorld = preview.data?.plan.effects.some((effect) => effect.kind === "opens" && SEVERITY_RANK[effect.severity] >= SEVERITY_RANK.high) ?? false;
  const { version: _, ...plainDocument } = document;
  return (
    <div className={classes.form}>
      <h2 ref={heading} tabIndex={-1} className={classes.heading}>
        {removes ? text.resource.deletion(document.kind, document.name) : text.resource.preview(document.kind, document.name)}
      </h2>
      {conflict ? (
        <ConflictView conflict={conflict} onRebase={onRebase} />
      ) : preview.error ? (
        <>
          <ErrorCard doing={text.resource.doingPreview} error={preview.error} />
          {!removes && wantsForce(preview.error) && <Checkbox label={text.resource.force} checked={force} onChange={(event) => setForce(event.currentTarget.checked)} />}
        </>
      ) : preview.data === undefined ? (
        <BlockSkeleton height={160} />
      ) : (
        <>
          <PlanPreview plan={preview.data.plan} />
          {changes.length > 0 && !removes && <Changes changes={changes} />}
          {changes.length === 0 && !removes && <p className="meta">{text.resource.same}</p>}
        </>
      )}
      {opensWorld && <Checkbox label={text.plan.expectWorld} checked={meant} onChange={(event) => setMeant(event.currentTarget.checked)} />}
      {apply.error && !conflict && <ErrorCard doing={removes ? text.resource.doingDelete : text.resource.doingApply} error={apply.error} />}
      <Buttons>
        <Button variant="filled" color={removes ? "red" : undefined} disabled={preview.data === undefined || preview.error !== null || conflict !== null || (opensWorld && !meant)} loading={apply.isPending} onClick={() => apply.mutate()}>
          {tried === null ? (removes ? text.resource.delete : text.plan.apply) : (removes ? text.resource.deleteProbation : text.plan.applyProbation)(formatSpan(tried))}
        </Button>
        <Button onClick={onBack}>{text.back}</Button>
      </Buttons>
      <details>
        <summary>{removes ? text.resource.asCommand : text.resource.asFile}</summary>
        {removes ? <Command command={`palisade delete ${document.kind} ${document.name}`} /> : <Command command={toYaml(plainDocument)} note={text.resource.fileNote(document.name)} what={text.resource.yaml} />}
      </details>
    </div>
  );
}

/** Somebody else saved in between: what I have, what stands, and what both began with. */
function ConflictView({ conflict, onRebase }: { conflict: Conflict; onRebase?: (conflict: Conflict) => void }) {
  const theirs = readData({ before: conflict.base ?? {}, after: conflict.theirs ?? {} }).changes;
  const mine = readData({ before: conflict.base ?? {}, after: conflict.mine }).changes;
  return (
    <div className={classes.conflict} role="alert">
      <p>
        <strong>{text.resource.conflict(conflict.updated_by ?? text.resource.somebody)}</strong>
      </p>
      <h3>{text.resource.theirs}</h3>
      <Changes changes={theirs} />
      <h3>{text.resource.mine}</h3>
      <Changes changes={mine} />
      {onRebase && (
        <Buttons>
          <Button onClick={() => onRebase(conflict)}>{text.resource.rebase}</Button>
        </Buttons>
      )}
    </div>
  );
}

export function Buttons({ children }: { children: ReactNode }) {
  return <div className={classes.buttons}>{children}</div>;
}

/** A refusal that may be overruled says so in its hint. */
const wantsForce = (error: unknown): boolean => error instanceof ApiError && /\bforce\b/.test(error.hint ?? "");

function conflictOf(error: unknown): Conflict | null {
  if (!(error instanceof ApiError) || error.status !== 409) return null;
  const body = error.body;
  if (typeof body !== "object" || body === null || !("conflict" in body) || !Array.isArray(body.conflict)) return null;
  return (body.conflict[0] as Conflict | undefined) ?? null;
}
