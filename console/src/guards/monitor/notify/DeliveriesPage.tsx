import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Delivery, monitorAct } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { FilterBar, useFilters } from "../../../parts/FilterBar/FilterBar";
import { EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { toast } from "../../../parts/Toasts/Toasts";
import { formatInteger } from "../../../words/format";
import { MonitorTabs } from "../MonitorTabs";
import { text } from "./text";

const KEYS = ["state"] as const;
const CHOICES = [{ key: "state", options: Object.keys(text.states), words: text.states }];

/** What was sent, what waits, and what was given up after a day of tries. */
export default function DeliveriesPage() {
  const client = useQueryClient();
  const can = useCan("operator");
  const { filters } = useFilters(KEYS);
  const list = useList("monitor/deliveries", filters, 15_000);
  const retry = useMutation({
    mutationFn: (delivery: Delivery) => monitorAct.deliveryRetry(delivery.id),
    onSuccess: async () => {
      toast(text.retried);
      await client.invalidateQueries({ queryKey: ["monitor/deliveries"] });
    },
  });
  const columns: Column<Delivery>[] = [
    { key: "state", title: text.state, fit: true, phone: "lead", cell: (row) => <span style={row.state === "dead" ? { color: "var(--bad)", fontWeight: 500 } : undefined}>{text.states[row.state]}</span> },
    { key: "title", title: text.what, phone: "first", cell: (row) => <Untrusted>{row.title}</Untrusted> },
    { key: "channel", title: text.channel, fit: true, cell: (row) => row.channel },
    { key: "attempts", title: text.attempts, kind: "number", phone: "named", cell: (row) => formatInteger(row.attempts) },
    { key: "created", title: text.made, fit: true, from: "middle", phone: "hide", cell: (row) => <TimeAgo time={row.created_at} dense /> },
    { key: "next", title: text.next, fit: true, cell: (row) => <TimeAgo time={row.sent_at ?? row.next_at} dense /> },
    { key: "error", title: text.error, from: "middle", cell: (row) => (row.last_error ? <Untrusted>{row.last_error}</Untrusted> : "") },
    {
      key: "retry",
      title: "",
      fit: true,
      cell: (row) =>
        row.state === "sent" || row.state === "sending" ? (
          ""
        ) : (
          <Action variant="subtle" can={can} loading={retry.isPending && retry.variables.id === row.id} aria-label={text.retryOf(row.title)} onClick={() => retry.mutate(row)}>
            {text.retry}
          </Action>
        ),
    },
  ];
  return (
    <Page title={text.deliveries}>
      <MonitorTabs current="deliveries" />
      <FilterBar keys={KEYS} choices={CHOICES} typed={false} />
      {retry.error && <ErrorCard doing={text.doingRetry} error={retry.error} />}
      <DataTable
        {...listProps(list)}
        label={text.deliveries}
        columns={columns}
        idOf={(row) => String(row.id)}
        doing={text.doingDeliveries}
        command="palisade monitor delivery list --output json"
        empty={<EmptyState title={list.first?.reason ?? (filters.state ? text.emptyDeliveriesFiltered : text.emptyDeliveries)} />}
      />
    </Page>
  );
}
