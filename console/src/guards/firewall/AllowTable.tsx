import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useReducer } from "react";
import { useSearchParams } from "react-router";
import { act, useList } from "../../api/queries";
import type { AllowEntry } from "../../api/types";
import { Action, ActionLink } from "../../parts/Action/Action";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { toast } from "../../parts/Toasts/Toasts";
import { changed } from "../../paths";
import { text } from "./text";

export function AllowTable() {
  const [search] = useSearchParams();
  const client = useQueryClient();
  const [removed, countRemoved] = useReducer((n: number) => n + 1, 0);
  const { filters } = useFilters([]);
  const list = useList("firewall/allow", filters);
  const remove = useMutation({
    mutationFn: (entry: AllowEntry) => act.allowRemove(entry.cidr),
    onSuccess: async (_plan, entry) => {
      toast(text.removed(entry.cidr), {
        label: text.undo,
        run: () => void act.allowAdd({ cidr: entry.cidr, reason: entry.reason }).then(() => client.invalidateQueries()),
      });
      await client.invalidateQueries();
      countRemoved();
    },
  });
  const columns: Column<AllowEntry>[] = [
    { key: "cidr", title: text.address, kind: "mono", fit: true, phone: "first", cell: (entry) => entry.cidr },
    { key: "reason", title: text.reason, cell: (entry) => <Untrusted>{entry.reason}</Untrusted> },
    { key: "by", title: text.by, fit: true, cell: (entry) => entry.by },
    { key: "since", title: text.since, fit: true, cell: (entry) => <TimeAgo time={entry.since} dense /> },
    { key: "ends_at", title: text.ends, fit: true, cell: (entry) => (entry.ends_at ? <TimeAgo time={entry.ends_at} dense /> : <span className="meta">{text.never}</span>) },
    {
      key: "remove",
      title: "",
      fit: true,
      cell: (entry) => (
        <Action can={entry.can.remove} variant="subtle" aria-label={text.removeAllowOf(entry.cidr)} onClick={() => remove.mutate(entry)}>
          {text.removeAllow}
        </Action>
      ),
    },
  ];
  return (
    <>
      {remove.error && <ErrorCard doing={text.doingRemove(remove.variables.cidr)} error={remove.error} />}
      <DataTable
        label={text.allow}
        columns={columns}
        {...listProps(list)}
        identity={`${list.identity} ${removed}`}
        idOf={(entry) => entry.cidr}
        doing={text.doingAllow}
        command="palisade firewall allow list --output json"
        empty={
          filters.q ? (
            <EmptyState title={text.emptyFiltered} />
          ) : (
            <EmptyState title={text.emptyAllow} action={<ActionLink to={changed(search, { show: "add" })}>{text.addAllow}</ActionLink>}>
              {text.emptyAllowLead}
            </EmptyState>
          )
        }
      />
    </>
  );
}
