import { useSearchParams } from "react-router";
import { useList } from "../../api/queries";
import { EventTable } from "../../parts/EventTable/EventTable";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { SEVERITIES } from "../../theme/severity";
import { text } from "./text";

const KEYS = ["host", "kind", "severity"] as const;
const CHOICES = [{ key: "severity", options: SEVERITIES }];

export default function EventsPage() {
  const [search] = useSearchParams();
  const { filters } = useFilters(KEYS);
  const list = useList("journal/events", { ...filters, from: search.get("from") ?? undefined, to: search.get("to") ?? undefined });
  return (
    <Page title={text.events}>
      <FilterBar keys={KEYS} choices={CHOICES} />
      <EventTable
        list={list}
        label={text.events}
        doing={text.doing}
        command="palisade journal list --output json"
        empty={<EmptyState title={Object.keys(filters).length > 0 ? text.emptyFiltered : (list.first?.reason ?? text.empty)} />}
      />
    </Page>
  );
}
