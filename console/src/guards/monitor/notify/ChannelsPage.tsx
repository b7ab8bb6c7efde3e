import { useMutation } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { type ChannelView, monitorAct } from "../../../api/monitor";
import { useList } from "../../../api/queries";
import { Action, ActionLink } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Command, Untrusted } from "../../../parts/Command/Command";
import { type Column, DataTable } from "../../../parts/DataTable/DataTable";
import { listProps } from "../../../parts/DataTable/listProps";
import { EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Page } from "../../../parts/Page/Page";
import { ResourceDrawer } from "../../../parts/ResourceForm/Resource";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { changed } from "../../../paths";
import { formatInteger } from "../../../words/format";
import { MonitorTabs } from "../MonitorTabs";
import { CHANNEL } from "./forms";
import { Policies } from "./Policies";
import { Secrets } from "./Secrets";
import { text } from "./text";

/** Where messages go, whether they arrive there, and who is told of what. */
export default function ChannelsPage() {
  const [search] = useSearchParams();
  const can = useCan("operator");
  const list = useList("monitor/channels", {}, 30_000);
  const test = useMutation({ mutationFn: (channel: string) => monitorAct.channelTest(channel) });
  const columns: Column<ChannelView>[] = [
    { key: "name", title: text.name, fit: true, phone: "first", cell: (row) => row.name },
    { key: "type", title: text.type, fit: true, cell: (row) => text.typeWords[row.spec.type] ?? row.spec.type },
    { key: "target", title: text.target, kind: "mono", cell: (row) => <Target channel={row} /> },
    { key: "status", title: text.status, cell: (row) => <Status channel={row} /> },
    { key: "waiting", title: text.waiting, kind: "number", phone: "named", cell: (row) => formatInteger(row.waiting) },
    { key: "dead", title: text.dead, kind: "number", phone: "named", cell: (row) => formatInteger(row.dead) },
    {
      key: "test",
      title: "",
      fit: true,
      cell: (row) => (
        <>
          <Action variant="subtle" can={can} loading={test.isPending && test.variables === row.name} aria-label={text.testOf(row.name)} onClick={() => test.mutate(row.name)}>
            {text.test}
          </Action>
          <ActionLink variant="subtle" to={changed(search, { show: row.name })} aria-label={text.changeOf(row.name)}>
            {text.change}
          </ActionLink>
        </>
      ),
    },
  ];
  const add = can === true ? <ActionLink to={changed(search, { show: "add" })}>{text.addChannel}</ActionLink> : <Action can={can}>{text.addChannel}</Action>;
  return (
    <Page title={text.channels} actions={add}>
      <MonitorTabs current="channels" />
      <div role="status" style={test.data ? undefined : { display: "contents" }}>
        {test.data && (
          <div style={{ display: "grid", gap: 8 }}>
            <p style={test.data.ok ? undefined : { color: "var(--bad)" }}>{test.data.ok ? text.testOk(test.variables, test.data.took_ms) : text.testFailed(test.variables, test.data.took_ms)}</p>
            <Command command={test.data.answer === "" ? text.noAnswer : test.data.answer} />
          </div>
        )}
      </div>
      {test.error && <ErrorCard doing={text.doingTest(test.variables)} error={test.error} />}
      <DataTable
        {...listProps(list)}
        identity={`${list.identity} ${search.get("show") ?? ""}`}
        label={text.channels}
        columns={columns}
        idOf={(row) => row.name}
        doing={text.doingChannels}
        command="palisade monitor channel list --output json"
        empty={
          <EmptyState title={list.first?.reason ?? text.emptyChannels} action={add}>
            {text.emptyChannelsLead}
          </EmptyState>
        }
      />
      <Policies />
      <Secrets />
      <ChannelDrawer />
    </Page>
  );
}

function Target({ channel: { spec } }: { channel: ChannelView }) {
  return <Untrusted>{spec.to && spec.to.length > 0 ? spec.to.join(", ") : (spec.url ?? spec.host ?? "–")}</Untrusted>;
}

function Status({ channel }: { channel: ChannelView }) {
  if (channel.last_error) {
    return (
      <span style={{ color: "var(--bad)" }}>
        <Untrusted>{channel.last_error}</Untrusted>
      </span>
    );
  }
  if (!channel.last_ok_at) return <span className="meta">{text.never}</span>;
  return (
    <>
      {text.okAgo} <TimeAgo time={channel.last_ok_at} dense />
    </>
  );
}

/** `?show=add` or the name of a channel. */
function ChannelDrawer() {
  const [search, setSearch] = useSearchParams();
  const shown = search.get("show");
  const named = shown !== null && shown !== "add" && !shown.startsWith("policy ");
  // The list, which has no row once it is deleted, where the one alone would not be found.
  const data = useList("resources/NotificationChannel", {}).rows?.find((row) => row.name === shown);
  const opened = shown === "add" || (named && data !== undefined);
  return (
    <ResourceDrawer
      kind="NotificationChannel"
      title={named ? text.changeChannel(shown) : text.addChannel}
      fields={CHANNEL}
      existing={named && data ? { ...data, spec: data.spec as object } : null}
      opened={opened}
      onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
    />
  );
}
