import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useReducer } from "react";
import { useSearchParams } from "react-router";
import { monitorAct, type SilenceView } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { localMoment } from "../../../parts/ResourceForm/fields";
import { ResourceDrawer } from "../../../parts/ResourceForm/Resource";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { toast } from "../../../parts/Toasts/Toasts";
import { changed } from "../../../paths";
import { serverNow } from "../../../words/now";
import { MonitorTabs } from "../MonitorTabs";
import { sayMatch, silenceFields } from "./forms";
import { text } from "./text";

const FIRST_MS = 3_600_000;
/** A silence of everything says so. */
const BLANK = { match: {} };

/** What nobody is told of, why, by whom and until when. */
export default function SilencesPage() {
  const [search, setSearch] = useSearchParams();
  const client = useQueryClient();
  const can = useCan("operator");
  const [gone, countGone] = useReducer((n: number) => n + 1, 0);
  const list = useList("monitor/silences", {}, 30_000);
  const fields = useMemo(() => silenceFields(localMoment(serverNow() + FIRST_MS)), []);
  const end = useMutation({
    mutationFn: (silence: SilenceView) => monitorAct.resourceDelete("Silence", silence.name, silence.version),
    onSuccess: async (_applied, silence) => {
      toast(text.ended(silence.name));
      countGone();
      await client.invalidateQueries();
    },
  });
  const shown = search.get("show");
  const existing = list.rows?.find((row) => row.name === shown);
  const columns: Column<SilenceView>[] = [
    { key: "name", title: text.name, fit: true, phone: "first", cell: (row) => <Untrusted>{row.name}</Untrusted> },
    { key: "active", title: text.active, fit: true, phone: "lead", cell: (row) => (row.active ? text.yes : <span className="meta">{text.no}</span>) },
    { key: "matches", title: text.matches, kind: "mono", cell: (row) => <Untrusted>{sayMatch(row.spec.match)}</Untrusted> },
    { key: "reason", title: text.reason, cell: (row) => <Untrusted>{row.spec.reason}</Untrusted> },
    { key: "author", title: text.author, fit: true, from: "middle", cell: (row) => row.author },
    { key: "until", title: text.until, fit: true, cell: (row) => <TimeAgo time={row.spec.until} dense /> },
    {
      key: "end",
      title: "",
      fit: true,
      cell: (row) => (
        <>
          <Action variant="subtle" can={can} aria-label={text.endOf(row.name)} onClick={() => end.mutate(row)}>
            {text.end}
          </Action>
          <ActionLink variant="subtle" to={changed(search, { show: row.name })} aria-label={text.changeOf(row.name)}>
            {text.change}
          </ActionLink>
        </>
      ),
    },
  ];
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.addSilence}</ActionLink> : <Action can={can}>{text.addSilence}</Action>;
  return (
    <Page title={text.silences} actions={add}>
      <MonitorTabs current="silences" />
      {end.error && <ErrorCard doing={text.doingEnd(end.variables.name)} error={end.error} />}
      <DataTable
        {...listProps(list)}
        label={text.silences}
        identity={`${list.identity} ${gone} ${shown ?? ""}`}
        columns={columns}
        idOf={(row) => row.name}
        doing={text.doingSilences}
        isDead={(row) => !row.active}
        command="palisade monitor silence list --output json"
        empty={
          <EmptyState title={text.emptySilences} action={add}>
            {text.silenceLead}
          </EmptyState>
        }
      />
      <ResourceDrawer kind="Silence" title={existing ? text.changeOf(existing.name) : text.addSilence} fields={fields} existing={existing ?? null} blank={BLANK} opened={shown === "add" || existing !== undefined} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}>
        <p className="meta">{text.silenceLead}</p>
      </ResourceDrawer>
    </Page>
  );
}
