import { Drawer } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import type { ListState } from "../../api/queries";
import type { Event } from "../../api/types";
import { changed, to } from "../../paths";
import { plain } from "../../words/escape";
import { formatAbsolute } from "../../words/format";
import { SeverityBadge } from "../Badges/Badges";
import { Command, Untrusted } from "../Command/Command";
import { type Column, DataTable } from "../DataTable/DataTable";
import { listProps } from "../DataTable/listProps";
import { HostLink } from "../HostLink/HostLink";
import { Facts } from "../Page/Page";
import { TimeAgo } from "../TimeAgo/TimeAgo";
import { text as words } from "../text";
import { Changes } from "./Changes";
import { readData } from "./data";
import { text } from "./text";

interface EventTableProps {
  list: ListState<Event>;
  label: string;
  doing: string;
  command: string;
  empty: ReactNode;
  /** Who and how it ended come first in an audit log, severity in a journal. */
  audit?: boolean;
}

const idOf = (event: Event) => (event.id === undefined ? `${event.time} ${event.kind} ${event.object ?? ""}` : String(event.id));

/** Events as one-line rows; `?show=` opens one with all its fields. */
export function EventTable({ list, label, doing, command, empty, audit }: EventTableProps) {
  const [search, setSearch] = useSearchParams();
  const shown = search.get("show");
  const event = list.rows?.find((row) => idOf(row) === shown);
  return (
    <>
      <DataTable
        {...listProps(list)}
        label={label}
        columns={audit ? auditColumns : journalColumns}
        idOf={idOf}
        doing={doing}
        command={command}
        linkOf={(row) => changed(search, { show: idOf(row) })}
        selected={shown}
        empty={empty}
      />
      <Drawer
        opened={event !== undefined}
        onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })}
        position="right"
        size={560}
        title={text.event}
        closeButtonProps={{ "aria-label": words.close }}
      >
        {event && <Detail event={event} />}
      </Drawer>
    </>
  );
}

const time: Column<Event> = { key: "time", title: text.time, fit: true, cell: (event) => <TimeAgo time={event.time} dense /> };
const message: Column<Event> = { key: "message", title: text.message, phone: "first", cell: (event) => <Untrusted>{event.message}</Untrusted> };
const kind: Column<Event> = { key: "kind", title: text.kind, kind: "mono", fit: true, from: "wide", phone: "hide", cell: (event) => event.kind };
const host: Column<Event> = { key: "host", title: text.host, fit: true, cell: (event) => (event.host ? <HostLink host={event.host} /> : <span className="meta">{text.server}</span>) };
const severity: Column<Event> = { key: "severity", title: text.severity, fit: true, phone: "lead", cell: (event) => <SeverityBadge severity={event.severity} /> };
const outcome: Column<Event> = { key: "outcome", title: text.outcome, fit: true, cell: (event) => <OutcomeWord event={event} /> };
const actor: Column<Event> = {
  key: "actor",
  title: text.actor,
  fit: true,
  cell: (event) => (
    <>
      <Untrusted>{event.actor.name}</Untrusted>
      {event.actor.from && (
        <span className="meta">
          {" "}
          <Untrusted>{text.from(event.actor.from)}</Untrusted>
        </span>
      )}
    </>
  ),
};

const journalColumns = [time, severity, message, { ...actor, from: "middle" as const, phone: "hide" as const }, host, kind];
const auditColumns = [time, actor, message, outcome, { ...host, from: "middle" as const }, kind];

function OutcomeWord({ event }: { event: Event }) {
  const color = event.outcome === "success" ? "var(--text-2)" : event.outcome === "failure" ? "var(--bad)" : "var(--attention)";
  return <span style={{ color, fontWeight: event.outcome === "success" ? 400 : 500 }}>{text.outcomes[event.outcome]}</span>;
}

function Detail({ event }: { event: Event }) {
  const { plan, changes, rest } = readData(event.data);
  return (
    <div style={{ display: "grid", gap: 16 }}>
      <p style={{ overflowWrap: "anywhere" }}>
        <Untrusted>{event.message}</Untrusted>
      </p>
      {changes.length > 0 && <Changes changes={changes} />}
      <Facts
        pairs={[
          [text.time, formatAbsolute(event.time)],
          [text.severity, <SeverityBadge severity={event.severity} />],
          [text.outcome, <OutcomeWord event={event} />],
          [text.actor, <Untrusted>{event.actor.from ? `${event.actor.name} ${text.from(event.actor.from)}` : event.actor.name}</Untrusted>],
          [text.host, event.host ? <HostLink host={event.host} /> : text.server],
          [text.object, event.object ? <span className="mono"><Untrusted>{event.object}</Untrusted></span> : null],
          [text.plan, plan === null ? null : <Link to={to.plan(plan)}>{plain(plan)}</Link>],
          [text.kind, <span className="mono">{event.kind}</span>],
        ]}
      />
      {rest !== null && <Command command={JSON.stringify(rest, null, 2)} note={text.data.toLowerCase()} />}
    </div>
  );
}
