import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, get, post, remove } from "./client";
import type { components } from "./schema";
import type { Can, List, Plan, Point, Severity } from "./types";

/** Shapes and calls of the monitor guard beyond the series: alarms, rules, channels, probes. */

type S = components["schemas"];
export type Metric = Omit<S["Metric"], "alias"> & { alias?: string | null; aliases?: { name: string; unit: string; label?: string | null }[] };

export interface Scope {
  hosts?: string[];
  tags?: Record<string, string>;
  region?: string;
  group?: string;
}

/** `expired`: ended because its rule was changed, not because it was well again. */
export type AlarmState = "pending" | "firing" | "no_data" | "resolved" | "expired";
export type Statistic = "average" | "max" | "min" | "sum" | "latest";
export type Period = "raw" | "1m" | "5m" | "20m" | "1h" | "4h" | "24h";
export type Operator = ">" | ">=" | "<" | "<=" | "==" | "!=" | "rise" | "fall";

/** A process that stands out, with what is known of where it belongs. */
export interface MonitorProcess {
  pid: number;
  name: string;
  user?: string | null;
  cmdline?: string | null;
  /** Share of one core. */
  cpu?: number | null;
  rss_bytes: number;
  unit?: string | null;
  container?: string | null;
  io_bytes_rate?: number | null;
  threads?: number | null;
  open_files?: number | null;
}

export interface CauseProcess extends MonitorProcess {
  cpu_max?: number;
  rss_bytes_max?: number;
  first_at?: string;
  last_at?: string;
  ended?: boolean;
}

/** Whom a state change was told to, and whether it arrived. */
export interface Notified {
  channel: string;
  at: string;
  ok: boolean;
  error?: string | null;
}

export interface AlarmView {
  id: string;
  rule: string;
  /** Which of the rule's policies, from 0. */
  policy?: number | null;
  severity: Severity;
  host?: string | null;
  labels?: Record<string, string>;
  metric?: string | null;
  unit?: string | null;
  state: AlarmState;
  /** Fires, and no sample has come since. */
  stale?: boolean;
  value?: number | null;
  threshold?: number | null;
  operator?: Operator | null;
  statistic?: Statistic | null;
  period?: Period | null;
  sentence: string;
  since: string;
  fired_at?: string | null;
  resolved_at?: string | null;
  acknowledged?: { by: string; at: string; note?: string | null } | null;
  silenced?: { name: string; until: string } | null;
  inhibited_by?: string | null;
  cause?: { sentence: string; processes: CauseProcess[] } | null;
  notified?: Notified[];
  can?: Can;
}

export interface AlarmDetail extends AlarmView {
  history?: { at: string; state: AlarmState | "ok"; value?: number | null }[];
  ring?: { from: Moment; step_s: number; metrics: Record<string, (number | null)[]> } | null;
}

export interface Policy {
  metric: string;
  labels?: Record<string, string>;
  statistic: Statistic;
  period: Period;
  operator: Operator;
  threshold: number;
  count: number;
  /** As many as `count` if absent. */
  of?: number;
  recover?: number;
  severity?: Severity;
}

export interface EventCondition {
  kind?: string;
  severity?: Severity;
  clear?: string;
  finding?: { check?: string; practice?: string; severity?: Severity };
  times?: number;
  within?: string;
}

export interface AlarmRuleSpec {
  enabled?: boolean;
  description?: string;
  scope?: Scope;
  severity?: Severity;
  policies?: Policy[];
  template?: string;
  event?: EventCondition;
  no_data?: { after?: string; treat?: "alarm" | "keep" | "ok" };
  repeat?: string;
  urgency?: "page" | "digest";
  settle?: string;
  cause?: boolean;
}

export interface RuleView {
  name: string;
  version: number;
  spec: AlarmRuleSpec;
  source: "resource" | "builtin";
  ok: number;
  pending: number;
  firing: number;
  no_data: number;
  evaluated_at?: string | null;
}

export interface Firing {
  host: string;
  labels?: Record<string, string>;
  policy: number;
  from: Moment;
  to?: Moment | null;
  peak?: number | null;
}

/** A moment as the API writes it: RFC 3339, or Unix seconds. */
export type Moment = string | number;

export const secondsOf = (moment: Moment): number => (typeof moment === "number" ? moment : Date.parse(moment) / 1000);

export interface Backtest {
  fired: number;
  shorter_than_5m: number;
  series: number;
  hosts: number;
  approximate_before?: Moment | null;
  firings: Firing[];
  suggestions: { policy?: number; threshold: number; recover?: number | null; fired: number }[];
  took_ms: number;
  reason?: string | null;
}

export interface ChannelSpec {
  type: "webhook" | "smtp" | "slack" | "ntfy" | "alertmanager" | "heartbeat";
  url?: string;
  host?: string;
  port?: number;
  to?: string[];
  secret?: string;
}

export interface ChannelView {
  name: string;
  spec: ChannelSpec;
  version?: number;
  last_ok_at?: string | null;
  last_error?: string | null;
  waiting: number;
  dead: number;
  can?: Can;
}

export interface Delivery {
  id: string;
  channel: string;
  title: string;
  state: "waiting" | "sent" | "dead";
  attempts: number;
  next_at?: string | null;
  last_error?: string | null;
  created_at: string;
  sent_at?: string | null;
  can?: Can;
}

export interface SilenceView {
  name: string;
  version?: number;
  spec: { match?: { scope?: Scope; labels?: Record<string, string> }; from?: string; until: string; reason: string; every?: unknown };
  author?: string | null;
  active: boolean;
  can?: Can;
}

export interface SecretView {
  name: string;
}

export interface ProbeResult {
  at: string;
  up: boolean;
  duration_s?: number | null;
  error?: string | null;
  facts?: Record<string, unknown>;
}

export interface ProbeView {
  name: string;
  version?: number;
  spec: { host?: string; type: string; target: string; interval?: string; timeout?: string };
  host?: string | null;
  last?: ProbeResult | null;
  up_share_24h?: number | null;
  can?: Can;
}

export interface Agentless {
  host: string;
  address: string;
  public_key: string;
  authorized_line: string;
  /** The one that is pinned. */
  host_key?: { fingerprint: string; pinned_at?: string | null } | null;
  /** The one that the host showed, where that is not pinned. */
  shown_key?: { fingerprint: string } | null;
  last?: { at: string; ok: boolean; error?: string | null } | null;
}

export type ProcessesAt = List<MonitorProcess> & { by_cpu?: number[]; by_memory?: number[]; by_io?: number[]; observed_at?: string | null };

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
  channelTest: (channel: string) => post<{ ok: boolean; answer: string; took_ms: number }>(`/monitor/channels/${name(channel)}/test`),
  deliveryRetry: (id: string) => post<unknown>(`/monitor/deliveries/${name(id)}/retry`),
  secretPut: (secret: string, value: string) => call<unknown>("put", `/monitor/secrets/${name(secret)}`, { body: { value } }),
  secretDelete: (secret: string) => remove<unknown>(`/monitor/secrets/${name(secret)}`),
  probeRun: (probe: string) => post<ProbeResult>(`/monitor/probes/${name(probe)}/run`),
  agentlessPin: (host: string, fingerprint: string) => post<unknown>(`/monitor/agentless/${name(host)}/pin`, { fingerprint }),
  apply: (documents: Document[], dry_run: boolean) => post<Applied>("/apply", { resources: documents, dry_run }),
  resourceDelete: (kind: string, resource: string, version: number) => call<Applied>("delete", `/resources/${kind}/${name(resource)}`, { query: { version } }),
};
