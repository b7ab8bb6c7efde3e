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
export function Sessions() {
  const client = useQueryClient();
  const [ended, countEnded] = useReducer((n: number) => n + 1, 0);
  const list = useList("sessions");
  const done = async (message: string) => {
    await client.invalidateQueries({ queryKey: ["sessions"] });
    countEnded();
    toast(message);
  };
  const end = useMutation({ mutationFn: (row: SessionRow) => act.sessionEnd(row.id), onSuccess: (_answer, row) => done(text.ended(row.from)) });
  const endOthers = useMutation({ mutationFn: act.sessionsEndOthers, onSuccess: () => done(text.othersEnded) });
  const error = end.error ?? endOthers.error;
  const columns: Column<SessionRow>[] = [
    { key: "from", title: text.from, kind: "mono", phone: "first", cell: (row) => row.from },
    { key: "used_at", title: text.used, fit: true, cell: (row) => <TimeAgo time={row.used_at} dense /> },
    { key: "created_at", title: text.since, fit: true, phone: "hide", cell: (row) => <TimeAgo time={row.created_at} dense /> },
    { key: "expires_at", title: text.ends, fit: true, phone: "named", cell: (row) => <TimeAgo time={row.expires_at} dense /> },
    { key: "end", title: "", fit: true, cell: (row) => <End row={row} loading={end.isPending && end.variables.id === row.id} onEnd={() => end.mutate(row)} /> },
  ];
  return (
    <Card title={text.sessions} aside={<Others rows={list.rows} loading={endOthers.isPending} onEnd={() => endOthers.mutate()} />}>
      {error && <ErrorCard doing={text.doingEnd} error={error} />}
      <DataTable
        bare
        label={text.sessions}
        columns={columns}
        {...listProps(list)}
        identity={`${list.identity} ${ended}`}
        idOf={(row) => row.id}
        doing={text.doingSessions}
        empty={<EmptyState title={text.none} />}
      />
    </Card>
  );
}

function Others({ rows, loading, onEnd }: { rows: SessionRow[] | undefined; loading: boolean; onEnd: () => void }) {
  if (!rows || rows.length < 2) return <span className="meta">{text.sessionsLead}</span>;
  return (
    <Action loading={loading} onClick={onEnd}>
      {text.endOthers}
    </Action>
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
