import { IconAlertTriangle, IconBell, IconGauge, IconHistory, IconHourglass, IconKey, IconServer2, IconSettings, IconUrgent, IconUsers, type Icon } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "react-router";
import { overviewQuery } from "../api/queries";
import type { Overview, Severity, State } from "../api/types";
import { GUARDS, to } from "../paths";
import { GUARD_ICON } from "../theme/guards";
import { worstState } from "../theme/rank";
import { STATE } from "../theme/severity";
import { formatInteger } from "../words/format";
import { text as words } from "../parts/text";
import classes from "./Shell.module.css";
import { text } from "./text";

interface Entry {
  title: string;
  to: string;
  icon: Icon;
  count?: number;
  state?: State | null;
  /** The address also belongs to this entry when it starts so. */
  under?: string;
  /** So does this one. */
  also?: string;
}

/** What is worth mending; informational findings are not counted. */
const COUNTED: Severity[] = ["critical", "high", "medium", "low"];

/** Objects first, because that is how people work; then the guards, each with its state. */
export function Nav({ onGo }: { onGo?: () => void }) {
  const { data } = useQuery(overviewQuery);
  const findings = data && COUNTED.reduce((sum, severity) => sum + (data.counts.findings_open[severity] ?? 0), 0);
  const objects: Entry[] = [
    { title: text.overview, to: to.overview(), icon: IconGauge },
    { title: text.hosts, to: to.hosts(), icon: IconServer2, count: data?.hosts_total },
    { title: text.findings, to: to.findings(), icon: IconAlertTriangle, count: findings },
    { title: text.incidents, to: to.incidents(), icon: IconUrgent },
    { title: text.alarms, to: to.alarms(), icon: IconBell, count: data?.counts.alarms_firing },
    { title: text.plans, to: to.plans(), icon: IconHourglass, count: data?.counts.plans_on_probation },
  ];
  const guards: Entry[] = GUARDS.map((guard) => ({
    title: text.guardNames[guard],
    to: to.guard(guard),
    icon: GUARD_ICON[guard],
    state: guardState(data, guard),
    under: `/${guard}`,
  }));
  const admin: Entry[] = [
    { title: text.users, to: to.users(), icon: IconUsers },
    { title: text.tokens, to: to.tokens(), icon: IconKey, also: to.joinTokens() },
    { title: text.audit, to: to.audit(), icon: IconHistory },
    { title: text.settings, to: to.settings(), icon: IconSettings },
  ];
  return (
    <nav aria-label={text.nav}>
      <Group entries={objects} onGo={onGo} />
      <Group title={text.guards} entries={guards} onGo={onGo} />
      <Group title={text.admin} entries={admin} onGo={onGo} />
    </nav>
  );
}

function guardState(overview: Overview | undefined, guard: string): State | null {
  return worstState((overview?.practices ?? []).filter((practice) => practice.guard === guard).map((practice) => practice.state));
}

function Group({ title, entries, onGo }: { title?: string; entries: Entry[]; onGo?: () => void }) {
  const { pathname } = useLocation();
  return (
    <div className={classes.group}>
      {title && <h2>{title}</h2>}
      {entries.map((entry) => (
        <Link key={entry.title} to={entry.to} className={classes.item} onClick={onGo} title={entry.title} aria-current={isCurrent(entry, pathname) ? "page" : undefined}>
          <entry.icon size={18} stroke={1.5} aria-hidden />
          <span className={classes.word}>{entry.title}</span>
          <span className={classes.aside}>
            {entry.count !== undefined && entry.count > 0 && formatInteger(entry.count)}
            {entry.state && <StateGlyph state={entry.state} />}
          </span>
        </Link>
      ))}
    </div>
  );
}

function StateGlyph({ state }: { state: State }) {
  const { icon: Glyph, color } = STATE[state];
  return (
    <>
      <Glyph size={16} stroke={1.5} color={color} aria-hidden />
      <span className="visually-hidden">{words.state[state]}</span>
    </>
  );
}

function isCurrent({ to: address, under, also }: Entry, pathname: string): boolean {
  if (pathname === also) return true;
  const base = under ?? address;
  if (under !== undefined && (pathname === to.incidents() || pathname === to.alarms())) return false;
  if (base === "/") return pathname === "/";
  return pathname === base || pathname.startsWith(`${base}/`);
}
