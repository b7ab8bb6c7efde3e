import { useQuery } from "@tanstack/react-query";
import type { CSSProperties, ReactNode } from "react";
import { metricsQuery } from "../../api/monitor";
import { hostQuery, seriesQuery, useList } from "../../api/queries";
import { MARK_COLOR, type Line, type Mark } from "../../parts/Chart/marks";
import { Untrusted } from "../../parts/Command/Command";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import type { Group as BoardGroup } from "./boards";
import { type Group, linesFor } from "./lines";
import { useMarks } from "./marks";
import { SharedChart } from "./MetricChart";
import classes from "./Monitor.module.css";
import { ProcessPanel } from "./ProcessPanel";
import { text } from "./text";
import type { Times } from "./times";

const RULES_MAX = 1_000;

/** The charts of one host in their groups, with the lines of its rules and the ticks of what happened. */
export function HostBoard({ host, groups, times, aside, processesFirst }: { host: string; groups: BoardGroup[]; times: Times; aside?: Partial<Record<BoardGroup["name"], ReactNode>>; processesFirst?: boolean }) {
  const marks = useMarks(host, times);
  const lines = useLines(host);
  const processes = <ProcessPanel host={host} times={times} />;
  return (
    <>
      <Happened marks={marks} />
      {processesFirst && processes}
      {groups.map((group) => {
        const charts = <Charts host={host} group={group} times={times} marks={marks} lines={lines} aside={aside?.[group.name]} />;
        return group.optional ? (
          <Optional key={group.name} host={host} group={group} times={times} aside={aside?.[group.name]}>
            {charts}
          </Optional>
        ) : (
          <div key={group.name} style={{ display: "contents" }}>
            {charts}
          </div>
        );
      })}
      {!processesFirst && processes}
    </>
  );
}

interface ChartsProps {
  host: string;
  group: BoardGroup;
  times: Times;
  marks: Mark[];
  lines: (metric: string) => Line[];
  aside?: ReactNode;
}

function Charts({ host, group, times, marks, lines, aside }: ChartsProps) {
  return (
    <section className={classes.group} aria-label={text.groups[group.name]}>
      <div className={classes.bar}>
        <h2>{text.groups[group.name]}</h2>
        {aside}
      </div>
      <div className={classes.charts}>
        {group.metrics.map((name) => (
          <SharedChart key={name} host={host} name={name} times={times} sync={`monitor ${host}`} marks={marks} lines={lines(name)} />
        ))}
      </div>
    </section>
  );
}

/** What not every host has: its charts, or a line that says why there are none. */
function Optional({ host, group, times, aside, children }: { host: string; group: BoardGroup; times: Times; aside?: ReactNode; children: ReactNode }) {
  const first = group.metrics[0] ?? "";
  const { data } = useQuery(seriesQuery({ host, name: first, from: times.from_s, to: times.to_s, step: times.step_s }, times.key_text, times.every_ms));
  if (data === undefined) return null;
  if (data.series.length > 0) return children;
  return (
    <section className={classes.group} aria-label={text.groups[group.name]}>
      <div className={classes.absent}>
        <h2>{text.groups[group.name]}</h2>
        <span className="meta">{text.absent[group.name] ?? data.reason}</span>
        {aside}
      </div>
    </section>
  );
}

/** The rules' lines for a metric of this host; none while rules or host are not known. */
function useLines(host: string): (metric: string) => Line[] {
  const { rows: rules } = useList("monitor/rules", { limit: RULES_MAX });
  const { rows: groups } = useList("resources/ResourceGroup", { limit: RULES_MAX });
  const metrics = useQuery(metricsQuery).data?.items ?? [];
  const { data } = useQuery(hostQuery(host));
  return (metric) => (rules && data ? linesFor(rules, data, metric, { metrics, groups: (groups ?? []) as Group[] }) : []);
}

const EVENTS_SHOWN = 50;

/** The ticks below the axes, in words. */
function Happened({ marks }: { marks: Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <details className={classes.events}>
      <summary>{text.happened(marks.length)}</summary>
      <ul>
        {marks.slice(0, EVENTS_SHOWN).map((mark, i) => (
          <li key={i}>
            <span className={classes.tick} style={{ "--hue": `var(${MARK_COLOR[mark.kind]})` } as CSSProperties} aria-hidden />
            <span className="meta">{text.marks[mark.kind]}</span>
            <span>
              <Untrusted>{mark.label}</Untrusted>
            </span>
            <span className="meta">
              <TimeAgo time={new Date(mark.at_s * 1000).toISOString()} dense />
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}
