import { Tooltip } from "@mantine/core";
import { IconBellRinging, IconHourglass, IconPlugConnectedX, type Icon } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { CSSProperties } from "react";
import { Link } from "react-router";
import { overviewQuery, useList } from "../../api/queries";
import type { Overview, PracticeRow } from "../../api/types";
import { ActionLink } from "../../parts/Action/Action";
import { SeverityBadge, StateBadge } from "../../parts/Badges/Badges";
import { Untrusted } from "../../parts/Command/Command";
import { HostLink } from "../../parts/HostLink/HostLink";
import { BlockSkeleton, EmptyState, ErrorCard, RowsSkeleton, StaleNote } from "../../parts/Notice/Notice";
import { Card, Page } from "../../parts/Page/Page";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { text as words } from "../../parts/text";
import { to } from "../../paths";
import { SEVERITY, STATE } from "../../theme/severity";
import { isHeard, isSilent } from "../../theme/verdict";
import { formatMoment } from "../../words/format";
import { useNow } from "../../words/now";
import classes from "./OverviewPage.module.css";
import { text } from "./text";

const RECENT_MAX = 8;

export default function OverviewPage() {
  const { data, error, refetch } = useQuery(overviewQuery);
  if (data === undefined) {
    return (
      <Page title={text.titleUnknown} heading={error ? text.cannotTell : text.loading}>
        {error ? (
          <ErrorCard doing={text.doing} error={error} onRetry={() => void refetch()} />
        ) : (
          <>
            <BlockSkeleton height={48} />
            <RowsSkeleton rows={14} />
          </>
        )}
      </Page>
    );
  }
  const [title, heading] = headingOf(data);
  return (
    <Page title={title} heading={heading}>
      <Notes overview={data} />
      <TopLine overview={data} />
      <div className={classes.columns}>
        <Practices practices={data.practices} />
        <div className={classes.side}>
          <DoNext findings={data.do_next} looked={data.hosts_total > 0 && data.guards_reported.done >= data.guards_reported.total} />
          {data.hosts.length > 1 && <Hosts hosts={data.hosts} />}
          <Recent />
        </div>
      </div>
    </Page>
  );
}

/** What the page says first. Nothing is called well before every guard has looked. */
function headingOf({ need_you, hosts_total, guards_reported }: Overview): [title: string, heading: string] {
  if (need_you > 0) return [text.title(need_you), text.need(need_you, hosts_total)];
  if (hosts_total === 0) return [text.titleUnknown, text.noHosts];
  if (guards_reported.done < guards_reported.total) return [text.titleUnknown, text.firstLook];
  return [text.titleWell, text.well];
}

function Notes({ overview }: { overview: Overview }) {
  const now = useNow(5_000);
  const { done, total } = overview.guards_reported;
  const stale = overview.fresh_until && overview.observed_at && Date.parse(overview.fresh_until) < now;
  return (
    <>
      {overview.hosts_total > 0 && done < total && <StaleNote>{text.settling(done, total)}</StaleNote>}
      {stale && overview.observed_at && <StaleNote>{words.stale(formatMoment(overview.observed_at, now), text.stale)}</StaleNote>}
    </>
  );
}

function TopLine({ overview: { counts, score, hosts_total, guards_reported } }: { overview: Overview }) {
  const open = { critical: 0, high: 0, medium: 0, ...counts.findings_open };
  const needs: [number, Icon, string, string, string][] = [
    [open.critical, SEVERITY.critical.icon, SEVERITY.critical.color, text.critical(open.critical), to.findings({ severity: "critical" })],
    [counts.alarms_firing ?? 0, IconBellRinging, "var(--bad)", text.alarms(counts.alarms_firing ?? 0), to.alarms()],
    [open.high, SEVERITY.high.icon, SEVERITY.high.color, text.high(open.high), to.findings({ severity: "high" })],
    [counts.plans_on_probation, IconHourglass, "var(--attention)", text.probation(counts.plans_on_probation), to.plans({ state: "probation" })],
    [counts.silent, IconPlugConnectedX, "var(--bad)", text.silent(counts.silent), to.hosts({ group: "verdict" })],
    [open.medium, SEVERITY.medium.icon, SEVERITY.medium.color, text.medium(open.medium), to.findings({ severity: "medium" })],
  ];
  const shown = needs.filter(([n]) => n > 0);
  return (
    <div className={classes.top}>
      {shown.length === 0 && <span>{hosts_total === 0 ? text.noHostsLead : guards_reported.done < guards_reported.total ? text.firstLookLead : text.wellLead(text.scoreOf(score))}</span>}
      {shown.map(([, Glyph, hue, sentence, address]) => (
        <Link key={address} to={address} className={classes.need} style={{ "--hue": hue } as CSSProperties}>
          <Glyph size={16} stroke={1.5} aria-hidden />
          {sentence}
        </Link>
      ))}
      <Tooltip label={text.scoreWhy}>
        <span className={classes.score} tabIndex={0}>
          {text.score} <b>{score}</b> <span className="meta">/ 100</span>
        </span>
      </Tooltip>
    </div>
  );
}

function Practices({ practices }: { practices: PracticeRow[] }) {
  return (
    <Card title={text.practices} aside={<span className="meta">{text.practicesOf(practices.length)}</span>}>
      <ul>
        {practices.map((practice) => (
          <li key={practice.id}>
            <Link className={classes.practice} to={to.findings({ practice: practice.id })}>
              <span className={classes.name} title={practice.mission}>
                {practice.title}
              </span>
              <StateBadge state={practice.state} />
              <span className={classes.reason}>{practice.reason}</span>
              <span className="meta num" title={text.affectedLabel}>
                {practice.hosts_total > 0 && text.affected(practice.hosts_affected, practice.hosts_total)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function DoNext({ findings, looked }: { findings: Overview["do_next"]; looked: boolean }) {
  return (
    <Card title={text.next} aside={<Link to={to.findings()}>{text.allFindings}</Link>}>
      {findings.length === 0 && <EmptyState title={looked ? text.nextNone : text.nextUnknown} />}
      <ul>
        {findings.map((finding) => (
          <li key={finding.id} className={classes.next}>
            <SeverityBadge severity={finding.severity} iconOnly />
            <div style={{ minWidth: 0 }}>
              <p>{finding.title}</p>
              <p className="meta">
                <span className="mono">
                  <Untrusted>{finding.object}</Untrusted>
                </span>{" "}
                {finding.more > 0 && `${text.more(finding.more)} `}
                · <HostLink host={finding.host} tab="findings" />
              </p>
            </div>
            <ActionLink to={to.findings({ show: finding.id })} aria-label={`${text.mend}: ${finding.title}, ${finding.host}`}>
              {text.mend}
            </ActionLink>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Hosts({ hosts }: { hosts: Overview["hosts"] }) {
  return (
    <Card title={text.hosts} aside={<Link to={to.hosts()}>{text.allHosts}</Link>}>
      <ul className={classes.grid}>
        {hosts.map(({ name, state, verdict: word }) => {
          const Glyph = isSilent(word) ? IconPlugConnectedX : STATE[state].icon;
          return (
            <li key={name}>
              <Link
                to={to.host(name)}
                className={classes.cell}
                data-loud={state === "bad" || isSilent(word) ? "" : undefined}
                data-silent={isHeard(word) ? undefined : ""}
                style={{ "--hue": isSilent(word) ? "var(--bad)" : STATE[state].color } as CSSProperties}
                aria-label={text.cell(name, words.state[state], words.verdict[word])}
                title={text.cell(name, words.state[state], words.verdict[word])}
              >
                <Glyph size={14} stroke={1.5} aria-hidden />
                <span>{name}</span>
              </Link>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

/** What was recorded lately, newest first. */
function Recent() {
  const { rows: events, error, refetch, first } = useList("journal/events", { limit: RECENT_MAX });
  return (
    <Card title={text.recent} aside={<Link to={to.events()}>{text.allEvents}</Link>}>
      {error && events === undefined ? <ErrorCard doing={text.doingRecent} error={error} onRetry={refetch} /> : null}
      {events?.length === 0 && <EmptyState title={first?.reason ?? text.recentNone} />}
      <ul>
        {events?.map((event, i) => (
          <li key={event.id ?? `${event.time} ${i}`} className={classes.event}>
            <SeverityBadge severity={event.severity} iconOnly />
            <span className="meta">
              <TimeAgo time={event.time} dense />
            </span>
            <div style={{ minWidth: 0 }}>
              <p>
                <Untrusted>{event.message}</Untrusted>
              </p>
              {event.host && (
                <p className="meta">
                  <HostLink host={event.host} />
                </p>
              )}
            </div>
          </li>
        ))}
      </ul>
    </Card>
  );
}

