import { useList } from "../../api/queries";
import { EventTable } from "../../parts/EventTable/EventTable";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { text } from "./text";

const KEYS = ["host", "kind"] as const;

export default function AuditPage() {
  const { filters } = useFilters(KEYS);
  const list = useList("audit", filters);
  return (
    <Page title={text.audit} lead={text.lead}>
      <FilterBar keys={KEYS} />
      <EventTable audit list={list} label={text.audit} doing={text.doing} command="palisade audit list --output json" empty={<EmptyState title={text.empty} />} />
    </Page>
  );
}
