import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { planQuery } from "../../api/queries";
import type { PlanHost, Plan, Report } from "../../api/types";
import { HostStateBadge, PlanBadge } from "../../parts/Badges/PlanBadge";
import { VerdictBadge } from "../../parts/Badges/VerdictBadge";
import { Command, Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { HostLink } from "../../parts/HostLink/HostLink";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { Card, Facts, Page } from "../../parts/Page/Page";
import { PlanPreview } from "../../parts/PlanPreview/PlanPreview";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { plain } from "../../words/escape";
import { formatSpan } from "../../words/format";
import { byNeed, progressOf } from "../../words/progress";
import classes from "./PlanPage.module.css";
import { text } from "./text";

export default function PlanPage() {
  const { id = "" } = useParams();
  const { data: plan, error, refetch } = useQuery(planQuery(id));
  if (plan === undefined) {
    return <Page title={text.plans}>{error ? <ErrorCard doing={text.doingOne} error={error} onRetry={() => void refetch()} /> : <BlockSkeleton height={320} />}</Page>;
  }
  return (
    <Page title={plain(plan.title)} lead={<PlanBadge state={plan.state} />}>
      <div className={classes.columns}>
        <Card title={text.preview} padded>
          <PlanPreview plan={plan} />
        </Card>
        <Card title={text.about} padded>
          <About plan={plan} />
        </Card>
      </div>
      {plan.hosts_state && plan.hosts_state.length > 0 && (
        <Card title={text.hostsState} aside={<span className="meta">{words.hostsDone(progressOf(plan).done ?? 0, plan.hosts_state.length)}</span>}>
          <DataTable bare label={text.hostsState} columns={plan.state === "probation" ? [...hostColumns, pathColumn] : hostColumns} rows={byNeed(plan.hosts_state)} total={plan.hosts_state.length} idOf={(row) => row.host} doing={text.doingOne} empty={null} />
        </Card>
      )}
      <Card title={text.reports}>
        <DataTable
          bare
          label={text.reports}
          columns={columns}
          rows={plan.reports ?? []}
          total={plan.reports?.length ?? 0}
          idOf={(report) => `${report.host} ${report.guard} ${report.generation.n}`}
          doing={text.doingOne}
          empty={<EmptyState title={text.noReports} />}
        />
      </Card>
      <Command command={`palisade plan show ${plan.id}`} />
    </Page>
  );
}

const hostColumns: Column<PlanHost>[] = [
  { key: "host", title: text.host, fit: true, phone: "first", cell: (row) => <HostLink host={row.host} /> },
  { key: "state", title: text.state, fit: true, phone: "lead", cell: (row) => <HostStateBadge state={row.state} /> },
  { key: "silent", title: text.agent, fit: true, cell: (row) => (row.silent ? <VerdictBadge word={row.silent} /> : "") },
  { key: "error", title: text.why, cell: (row) => <WhyState row={row} /> },
  { key: "at", title: text.at, fit: true, cell: (row) => <TimeAgo time={row.at} dense /> },
];

/** Keeping a change wants a way in to every host that was tried since. */
const pathColumn: Column<PlanHost> = { key: "path", title: text.path, fit: true, phone: "named", cell: (row) => (row.path ? text.paths[row.path] : <span className="meta">{text.pathNone}</span>) };

function WhyState({ row }: { row: PlanHost }) {
  if (row.error) return <Untrusted>{row.error}</Untrusted>;
  return row.state === "waiting" && row.silent ? <span className="meta">{text.waitsForSilent}</span> : null;
}

const columns: Column<Report>[] = [
  { key: "host", title: text.host, fit: true, phone: "first", cell: (report) => <HostLink host={report.host} /> },
  { key: "verified", title: text.outcome, fit: true, cell: (report) => (report.verified ? text.verified : text.notVerified) + (report.drift ? `, ${text.drift}` : "") },
  {
    key: "steps",
    title: text.step,
    cell: (report) =>
      report.steps.map(({ step, outcome, message }, i) => (
        <span key={i}>
          {i > 0 && " · "}
          <span className="mono">{step.name}</span> {text.stepOutcome[outcome]}
          {message && (
            <>
              : <Untrusted>{message}</Untrusted>
            </>
          )}
        </span>
      )),
  },
  { key: "at", title: text.at, fit: true, cell: (report) => <TimeAgo time={report.at} dense /> },
];

function About({ plan }: { plan: Plan }) {
  return (
    <Facts
      pairs={[
        [text.facts.state, <PlanBadge state={plan.state} />],
        [text.facts.reason, plan.reason ? <Untrusted>{plan.reason}</Untrusted> : null],
        [text.facts.guard, plan.guard],
        [text.facts.by, plan.by],
        [text.facts.made, <TimeAgo time={plan.created_at} />],
        [text.facts.probation, plan.probation_s ? formatSpan(plan.probation_s) : null],
        [text.facts.deadline, plan.state === "probation" ? <TimeAgo time={plan.deadline} /> : null],
        [text.facts.generation, <span className="mono">{`${plan.generation.epoch}.${plan.generation.n}`}</span>],
        [text.facts.id, <span className="mono">{plan.id}</span>],
      ]}
    />
  );
}
