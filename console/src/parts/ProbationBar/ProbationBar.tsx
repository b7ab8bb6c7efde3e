import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { IconHourglass } from "@tabler/icons-react";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { ApiError } from "../../api/errors";
import { act, useList } from "../../api/queries";
import { useLive } from "../../api/stream";
import type { Plan } from "../../api/types";
import { to } from "../../paths";
import { formatClock, formatCountdown } from "../../words/format";
import { useNow } from "../../words/now";
import { progressOf } from "../../words/progress";
import { Action } from "../Action/Action";
import { ErrorCard } from "../Notice/Notice";
import { toast } from "../Toasts/Toasts";
import { text } from "../text";
import classes from "./ProbationBar.module.css";

const WaiverDialog = lazy(() => import("./WaiverDialog"));

const SHOWN_MAX = 2;
const ANNOUNCED_S = [30, 10, 5];

/** On every page and for every operator: what returns by itself, when, and the two ways to end it. */
export function ProbationBar() {
  const { rows } = useList("plans", { state: "probation" }, 15_000);
  if (!rows || rows.length === 0) return null;
  return (
    <section className={classes.bar} aria-label={text.probation.label} data-probation>
      {rows.slice(0, SHOWN_MAX).map((plan) => (
        <OnProbation key={plan.id} plan={plan} />
      ))}
      {rows.length > SHOWN_MAX && (
        <p className={classes.plan}>
          <Link to={to.plans({ state: "probation" })}>{text.probation.more(rows.length - SHOWN_MAX)}</Link>
        </p>
      )}
    </section>
  );
}

function OnProbation({ plan }: { plan: Plan }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const left_ms = plan.deadline ? Date.parse(plan.deadline) - useNow() : 0;
  const live = useLive();
  const done = async (message: string) => {
    toast(`${message}: ${plan.title}`);
    setAsking(false);
    await client.invalidateQueries();
  };
  const keep = useMutation({ mutationFn: (waiver?: string) => act.planConfirm(plan.id, waiver), onSuccess: () => done(text.probation.kept) });
  const undo = useMutation({ mutationFn: () => act.planRollback(plan.id), onSuccess: () => done(text.probation.rolledBack) });
  const { all, done: well, failed, silent } = progressOf(plan);
  const canKeep = plan.can?.confirm ?? true;
  const unreachable = live.word === "stopped" && plan.deadline ? text.probation.unreachable(formatClock(Date.parse(plan.deadline))) : null;
  const error = keep.error ?? undo.error;

  return (
    <>
      <div className={classes.plan}>
        <IconHourglass size={16} stroke={1.5} aria-hidden />
        <Link className={classes.title} to={to.plan(plan.id)} data-plain>
          {plan.title}
        </Link>
        <span className="meta">{text.probation.well(well ?? 0, all)}</span>
        {failed > 0 && <span className={classes.failed}>{text.probation.failed(failed)}</span>}
        {silent > 0 && <span className="meta">{text.probation.silent(silent)}</span>}
        <span className={unreachable === null && left_ms > 0 ? `meta ${classes.rolls}` : "meta"}>{unreachable ?? (left_ms > 0 ? text.probation.rollsBack : text.probation.deciding)}</span>
        {left_ms > 0 && (
          <span className={classes.clock} role="timer">
            {formatCountdown(left_ms)}
          </span>
        )}
        <Announce left_ms={left_ms} />
        {canKeep !== true && left_ms > 0 && <span className={classes.why}>{canKeep}</span>}
        <span className={classes.spacer} />
        <span className={classes.buttons}>
          <Action variant="filled" can={canKeep} loading={keep.isPending} onClick={() => keep.mutate(undefined)}>
            {text.probation.keep}
          </Action>
          <Action can={plan.can?.rollback ?? true} loading={undo.isPending} onClick={() => undo.mutate()}>
            {text.probation.rollBack}
          </Action>
          {canKeep !== true && plan.can?.confirm_waived !== undefined && (
            <Action can={plan.can.confirm_waived} onClick={() => setAsking(true)}>
              {text.probation.keepUnproven}
            </Action>
          )}
        </span>
      </div>
      {error && !asking && (
        <div className={classes.error}>
          <ErrorCard doing={keep.error ? text.probation.doingKeep : text.probation.doingRollBack} error={error} />
          {error instanceof ApiError && error.code === "path_unproven" && (
            <Button mt={8} onClick={() => setAsking(true)}>
              {text.probation.keepUnproven}
            </Button>
          )}
        </div>
      )}
      <Suspense>{asking && <WaiverDialog error={keep.error} loading={keep.isPending} onKeep={(why) => keep.mutate(why)} onClose={() => setAsking(false)} />}</Suspense>
    </>
  );
}

/** Says the countdown aloud at a few moments instead of every second. */
function Announce({ left_ms }: { left_ms: number }) {
  const left_s = Math.ceil(left_ms / 1000);
  const said = ANNOUNCED_S.findLast((s) => left_s <= s && left_s > 0);
  return (
    <span className="visually-hidden" aria-live="assertive">
      {said === undefined ? "" : text.probation.announce(said)}
    </span>
  );
}

