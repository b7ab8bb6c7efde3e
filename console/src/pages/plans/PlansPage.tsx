import { useList } from "../../api/queries";
import type { Plan } from "../../api/types";
import { PlanBadge } from "../../parts/Badges/PlanBadge";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { to } from "../../paths";
import { progressOf } from "../../words/progress";
import { text } from "./text";

const KEYS = ["state"] as const;
const STATES = ["probation", "applying", "applied", "kept", "partial", "rolled_back", "failed"] as const;

const columns: Column<Plan>[] = [
  { key: "state", title: text.state, fit: true, phone: "lead", cell: (plan) => <PlanBadge state={plan.state} /> },
  { key: "title", title: text.title, phone: "first", cell: (plan) => <Untrusted>{plan.title}</Untrusted> },
  { key: "guard", title: text.guard, fit: true, phone: "hide", cell: (plan) => plan.guard },
  { key: "hosts", title: text.hosts, fit: true, cell: (plan) => <HostCount plan={plan} /> },
  { key: "by", title: text.by, fit: true, from: "middle", cell: (plan) => plan.by },
  { key: "created_at", title: text.created, fit: true, cell: (plan) => <TimeAgo time={plan.created_at} dense /> },
  { key: "deadline", title: text.deadline, fit: true, from: "middle", phone: "hide", cell: (plan) => (plan.state === "probation" ? <TimeAgo time={plan.deadline} dense /> : "") },
];

/** "6 of 7 hosts" while or because not all of them are done; the name where there is one. */
function HostCount({ plan }: { plan: Plan }) {
  const { done, all } = progressOf(plan);
  if (all === 1) return <span className="mono">{plan.hosts[0]}</span>;
  return done === null || done === all ? words.hosts(all) : words.hostsDone(done, all);
}

export default function PlansPage() {
  const { filters } = useFilters(KEYS);
  const list = useList("plans", filters);
  return (
    <Page title={text.plans}>
      <FilterBar typed={false} keys={KEYS} choices={[{ key: "state", options: STATES, words: words.planState }]} />
      <DataTable
        label={text.plans}
        columns={columns}
        {...listProps(list)}
        idOf={(plan) => plan.id}
        doing={text.doing}
        linkOf={(plan) => to.plan(plan.id)}
        isDead={(plan) => plan.state === "rolled_back"}
        command="palisade plan list --output json"
        empty={Object.keys(filters).length > 0 ? <EmptyState title={text.emptyFiltered} /> : <EmptyState title={text.empty}>{text.emptyLead}</EmptyState>}
      />
    </Page>
  );
}
