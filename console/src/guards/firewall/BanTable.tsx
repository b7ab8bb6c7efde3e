import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useReducer } from "react";
import { Link, useSearchParams } from "react-router";
import { act, useList } from "../../api/queries";
import type { Ban } from "../../api/types";
import { Action, ActionLink } from "../../parts/Action/Action";
import { Untrusted } from "../../parts/Command/Command";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { useFilters } from "../../parts/FilterBar/FilterBar";
import { EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import { changed, to } from "../../paths";
import { serverNow } from "../../words/now";
import { text } from "./text";

export function BanTable() {
  const [search] = useSearchParams();
  const { filters } = useFilters([]);
  const list = useList("firewall/bans", { ...filters, sort: search.get("sort") ?? undefined });
  const [released, countReleased] = useReducer((n: number) => n + 1, 0);
  const release = useRelease(countReleased);
  const columns: Column<Ban>[] = [
    { key: "address", title: text.address, kind: "mono", fit: true, sortable: true, phone: "first", cell: (ban) => ban.address },
    { key: "reason", title: text.reason, cell: (ban) => (ban.reason ? <Untrusted>{ban.reason}</Untrusted> : <span className="meta">{text.noReason}</span>) },
    { key: "by", title: text.by, fit: true, from: "middle", cell: (ban) => ban.by },
    { key: "hosts", title: text.hosts, fit: true, cell: (ban) => (ban.hosts.length === 1 ? ban.hosts[0] : ban.hosts.length === 0 ? text.allHosts : words.hosts(ban.hosts.length)) },
    { key: "since", title: text.since, fit: true, from: "middle", sortable: true, phone: "hide", cell: (ban) => <TimeAgo time={ban.since} dense /> },
    { key: "ends_at", title: text.ends, fit: true, sortable: true, cell: (ban) => <Ends ban={ban} /> },
    {
      key: "release",
      title: "",
      fit: true,
      cell: (ban) => (
        <Action
          can={ban.can.remove}
          loading={release.isPending && release.variables.address === ban.address}
          onClick={() => release.mutate(ban)}
          aria-label={text.releaseOf(ban.address)}
          variant="subtle"
        >
          {text.release}
        </Action>
      ),
    },
  ];
  return (
    <>
      {release.error && <ErrorCard doing={text.doingRelease(release.variables.address)} error={release.error} onRetry={() => release.mutate(release.variables)} />}
      <DataTable
        label={text.bans}
        columns={columns}
        {...listProps(list)}
        identity={`${list.identity} ${released}`}
        idOf={(ban) => `${ban.address} ${ban.hosts.join(" ")}`}
        doing={text.doingBans}
        command="palisade firewall ban list --output json"
        empty={
          filters.q ? (
            <EmptyState title={text.emptyFiltered} />
          ) : (
            <EmptyState title={text.emptyBans} action={<ActionLink to={changed(search, { show: "add" })}>{text.add}</ActionLink>}>
              {text.emptyBansLead}
            </EmptyState>
          )
        }
      />
    </>
  );
}

function Ends({ ban }: { ban: Ban }) {
  if (ban.probation_until) return ban.plan ? <Link to={to.plan(ban.plan)}>{text.onProbation}</Link> : text.onProbation;
  return ban.ends_at ? <TimeAgo time={ban.ends_at} dense /> : <span className="meta">{text.never}</span>;
}

/** Releasing is immediate; for a while it can be taken back with what remained of the ban. */
function useRelease(onReleased: () => void) {
  const client = useQueryClient();
  const invalidate = () => client.invalidateQueries();
  return useMutation({
    mutationFn: (ban: Ban) => act.banRelease(ban.address),
    onSuccess: async (_plan, ban) => {
      toast(text.released(ban.address), { label: text.undo, run: () => void act.banAdd(again(ban)).then(invalidate) });
      await invalidate();
      onReleased();
    },
  });
}

function again(ban: Ban) {
  const left_s = ban.ends_at ? Math.max(1, Math.round((Date.parse(ban.ends_at) - serverNow()) / 1000)) : null;
  return { address: ban.address, reason: ban.reason, ...(ban.hosts.length > 0 ? { hosts: ban.hosts } : {}), ...(left_s === null ? {} : { for: `${left_s}s` }) };
}
