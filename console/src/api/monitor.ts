import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, get, post, remove } from "./client";
import type { components } from "./schema";
import type { List, Plan, Point } from "./types";

/** Shapes and calls of the monitor guard beyond the series: alarms, rules, channels, probes. */

type S = components["schemas"];
export type Metric = S["Metric"];

export interface Scope {
  hosts?: string[];
  tags?: Record<string, string>;
  region?: string | null;
  group?: string | null;
}

/** `expired`: ended because its rule was changed, not because it was well again. */
export type AlarmState = "pending" | "firing" | "no_data" | "resolved" | "expired";
export type Statistic = S["Statistic"];
export type Period = S["Period"];
export type Operator = S["Operator"];

/** A process that stands out, with what is known of where it belongs. */
export type MonitorProcess = S["TopProcess"];
export type CauseProcess = S["CauseProcess"];
/** Whom a state change was told to, and whether it arrived. */
export type Notified = S["Notified"];

/** The schema has words where only these occur. */
interface AlarmWords {
  state: AlarmState;
  operator?: Operator | null;
  statistic?: Statistic | null;
  period?: Period | null;
}

export type AlarmView = Omit<S["AlarmView"], keyof AlarmWords> & AlarmWords;
/** A row of the list lacks what only the one alarm has. */
export type AlarmDetail = AlarmView & {
  history?: (Omit<S["HistoryEntry"], "state"> & { state: AlarmState | "ok" })[];
  ring?: S["Ring"] | null;
};

type Filled = "count" | "period" | "statistic";
/** The server fills in what a file left out. */
export type Policy = Omit<S["Policy"], Filled> & Required<Pick<S["Policy"], Filled>>;
export type EventCondition = S["EventPart"];
export type AlarmRuleSpec = Omit<S["RuleSpec"], "scope" | "policies"> & { scope?: Scope; policies?: Policy[] };
export type RuleView = Omit<S["RuleView"], "source" | "spec"> & { source: "resource" | "builtin"; spec: AlarmRuleSpec };

export type Firing = S["Firing"];
export type Backtest = S["Answer"];

export type ChannelView = S["ChannelView"];
export type Delivery = S["DeliveryView"];
export type Match = Omit<S["MatchSpec"], "scope"> & { scope?: Scope | null };
export type SilenceView = Omit<S["SilenceView"], "spec"> & { spec: Omit<S["SilenceSpec"], "match"> & { match: Match } };
export type SecretView = S["SecretView"];
export type ProbeView = S["ProbeView"];
export type ProbeResult = S["LastLook"];
export type Agentless = S["AgentlessView"];
export type ProcessesAt = S["ProcessesView"];

/** A resource as it stands; with `replaces` or `version` it is a document again. */
export interface Resource<T = Record<string, unknown>> {
  kind: string;
  name: string;
  version: number;
  spec: T;
  updated_at?: string;
  updated_by?: string;
}

export interface Document {
  kind: string;
  name: string;
  spec: object;
  /** The version that this is an edit of; 0 if there must be none yet. */
  version?: number;
}

/** How a change goes out: returning by itself after `probation`; `force` although it may cut a path. */
export interface ApplyOptions {
  probation?: string;
  force?: boolean;
}

export interface Applied {
  plan: Plan;
  plans: string[];
  results: { kind: string; name: string; action: string; version: number; changes: { path: string; before: unknown; after: unknown }[] }[];
}

export interface Conflict {
  kind: string;
  name: string;
  version: number;
  base?: unknown;
  mine: unknown;
  theirs?: unknown;
  updated_by?: string | null;
  updated_at?: string | null;
}

const name = encodeURIComponent;

/** The processes of a host that stood out in the minute around `at_s`. A minute that has passed stays as it is. */
export const processesAtQuery = (host: string, at_s: number) =>
  queryOptions({
    queryKey: ["processes-at", host, Math.floor(at_s / 60)],
    queryFn: ({ signal }) => get<ProcessesAt>("/monitor/processes", { host, at: new Date(Math.floor(at_s / 60) * 60_000 + 59_000).toISOString() }, signal),
    staleTime: 300_000,
    placeholderData: keepPreviousData,
  });

export const metricsQuery = queryOptions({
  queryKey: ["metrics"],
  queryFn: ({ signal }) => get<List<Metric>>("/monitor/metrics", undefined, signal),
  staleTime: 3_600_000,
});

export const alarmQuery = (id: string) =>
  queryOptions({ queryKey: ["monitor/alarms", id], queryFn: ({ signal }) => get<AlarmDetail>(`/monitor/alarms/${name(id)}`, undefined, signal) });

export const resourceQuery = <T>(kind: string, resource: string) =>
  queryOptions({ queryKey: ["resources", kind, resource], queryFn: ({ signal }) => get<Resource<T>>(`/resources/${kind}/${name(resource)}`, undefined, signal) });

/** What a rule would have done. The answer depends on the rule alone, so an old one stays greyed until the next is there. */
export const backtestQuery = (rule: AlarmRuleSpec, since: string) =>
  queryOptions({
    queryKey: ["backtest", JSON.stringify(rule), since],
    queryFn: ({ signal }) => call<Backtest>("post", "/monitor/backtest", { body: { rule, since }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    gcTime: 60_000,
    retry: false,
  });

export const agentlessQuery = (host: string) =>
  queryOptions({ queryKey: ["monitor/agentless", host], queryFn: ({ signal }) => get<Agentless>(`/monitor/agentless/${name(host)}`, undefined, signal) });

/** The Prometheus API's answer to a range query. */
export interface Matrix {
  status: string;
  data: { resultType: string; result: { metric: Record<string, string>; values: [number, string][] }[] };
  warnings?: string[];
}

export const promRangeQuery = (query: string, from: number, to: number, step: number, range: string, every_ms?: number) =>
  queryOptions({
    queryKey: ["promql", query, range, step],
    queryFn: ({ signal }) => get<Matrix>("/monitor/prometheus/api/v1/query_range", { query, start: from, end: to, step }, signal),
    refetchInterval: every_ms,
    placeholderData: keepPreviousData,
  });

/** The points of one series of a Prometheus answer on its grid: what is missing is null. */
export function pointsOf(values: readonly [number, string][], from_s: number, to_s: number, step_s: number): Point[] {
  const known = new Map(values.map(([at, value]) => [Math.round(at), Number(value)]));
  const points: Point[] = [];
  for (let at = from_s; at <= to_s; at += step_s) {
    const value = known.get(Math.round(at));
    points.push([at, value === undefined || !Number.isFinite(value) ? null : value]);
  }
  return points;
}

export const monitorAct = {
  acknowledge: (id: string, note: string) => post<unknown>(`/monitor/alarms/${name(id)}/acknowledge`, note === "" ? {} : { note }),
  unacknowledge: (id: string) => remove<unknown>(`/monitor/alarms/${name(id)}/acknowledge`),
  silence: (id: string, body: { for: string; reason: string }) => post<unknown>(`/monitor/alarms/${name(id)}/silence`, body),
  basics: (on: boolean) => post<unknown>("/monitor/rules/basics", { on }),
  channelTest: (channel: string) => post<S["TestView"]>(`/monitor/channels/${name(channel)}/test`),
  deliveryRetry: (id: number) => post<unknown>(`/monitor/deliveries/${id}/retry`),
  secretPut: (secret: string, value: string) => call<unknown>("put", `/monitor/secrets/${name(secret)}`, { body: { value } }),
  secretDelete: (secret: string) => remove<unknown>(`/monitor/secrets/${name(secret)}`),
  probeRun: (probe: string) => post<ProbeResult>(`/monitor/probes/${name(probe)}/run`),
  agentlessPin: (host: string, fingerprint: string) => post<unknown>(`/monitor/agentless/${name(host)}/pin`, { fingerprint }),
  apply: (documents: Document[], dry_run: boolean, options: ApplyOptions = {}) => post<Applied>("/apply", { resources: documents, dry_run, ...options }),
  resourceDelete: (kind: string, resource: string, version: number, dry_run = false) => call<Applied>("delete", `/resources/${kind}/${name(resource)}`, { query: { version, dry_run } }),
};
