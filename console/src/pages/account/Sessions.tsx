import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useReducer } from "react";
import { act, useList } from "../../api/queries";
import type { SessionRow } from "../../api/types";
import { Action } from "../../parts/Action/Action";
import { type Column, DataTable } from "../../parts/DataTable/DataTable";
import { listProps } from "../../parts/DataTable/listProps";
import { EmptyState, ErrorCard } from "../../parts/Notice/Notice";
import { Card } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { toast } from "../../parts/Toasts/Toasts";
import { text } from "./text";

/** Where somebody is signed in; all but the present session can be ended here. */
export function Sessions({ name, admin }: { name: string; admin: boolean }) {
  const client = useQueryClient();
  const [ended, countEnded] = useReducer((n: number) => n + 1, 0);
  // an admin may see everybody's; this page is about one's own
  const list = useList("sessions", admin ? { user: name } : {});
  const end = useMutation({
    mutationFn: (row: SessionRow) => act.sessionEnd(row.id),
    onSuccess: async (_answer, row) => {
      await client.invalidateQueries({ queryKey: ["sessions"] });
      countEnded();
      toast(text.ended(row.from));
    },
  });
  const columns: Column<SessionRow>[] = [
    { key: "from", title: text.from, kind: "mono", phone: "first", cell: (row) => row.from },
    { key: "created_at", title: text.since, fit: true, cell: (row) => <TimeAgo time={row.created_at} dense /> },
    { key: "expires_at", title: text.ends, fit: true, phone: "named", cell: (row) => <TimeAgo time={row.expires_at} dense /> },
    { key: "end", title: "", fit: true, cell: (row) => <End row={row} loading={end.isPending && end.variables.id === row.id} onEnd={() => end.mutate(row)} /> },
  ];
  return (
    <Card title={text.sessions} aside={<span className="meta">{text.sessionsLead}</span>}>
      {end.error && <ErrorCard doing={text.doingEnd} error={end.error} />}
      <DataTable
        bare
        label={text.sessions}
        columns={columns}
        {...listProps(list)}
        rows={list.rows?.filter((row) => row.user === name)}
        identity={`${list.identity} ${ended}`}
        idOf={(row) => row.id}
        doing={text.doingSessions}
        empty={<EmptyState title={text.none} />}
      />
    </Card>
  );
}

function End({ row, loading, onEnd }: { row: SessionRow; loading: boolean; onEnd: () => void }) {
  if (row.current) return <span className="meta">{text.here}</span>;
  return (
    <Action variant="subtle" loading={loading} onClick={onEnd} aria-label={text.endOf(row.from)}>
      {text.end}
    </Action>
  );
}
