import { useMemo } from "react";
import { useList } from "../../api/queries";
import { EventTable } from "../../parts/EventTable/EventTable";
import { FilterBar, useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { serverNow } from "../../words/now";
import { RANGES } from "../../words/range";
import { commandOf, fromOf } from "./since";
import { text } from "./text";

const KEYS = ["actor", "kind", "host", "since"] as const;

export default function AuditPage() {
  const { filters } = useFilters(KEYS);
  const { since, ...asked } = filters;
  const from = useMemo(() => fromOf(since, serverNow()), [since]);
  const list = useList("audit", { ...asked, from });
  return (
    <Page title={text.audit} lead={text.lead}>
      <FilterBar keys={KEYS} choices={[{ key: "since", options: Object.keys(RANGES), words: text.since, none: text.sinceAll }]} />
      <EventTable audit list={list} label={text.audit} doing={text.doing} command={commandOf(filters)} empty={<EmptyState title={text.empty} />} />
    </Page>
  );
}
