import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, get, post } from "./client";
import { ApiError } from "./errors";
import type { Applied, Document } from "./monitor";
import type { Can, List, Plan } from "./types";

/** Shapes and calls of the firewall guard beyond bans: groups, lists, policies, exposure, hits. */

export type Action = "allow" | "deny";
export type Direction = "in" | "out";
export const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "gre", "all"] as const;
export type Protocol = (typeof PROTOCOLS)[number];
export type Layer = "isolation" | "policy" | "domain" | "group" | "intra";
/** What no rule decides is counted too. */
export type HitLayer = Layer | "default";

/** Which hosts: all, or those named, or those that have all of the tags and are in the region. */
export interface Selector {
  all?: boolean;
  hosts?: string[];
  tags?: Record<string, string>;
  region?: string | null;
}

export interface GroupRule {
  id?: string | null;
  direction?: Direction;
  priority?: number;
  action: Action;
  protocol: Protocol;
  /** `22`, `8000-8080`; a file may also say a number. */
  ports?: (string | number)[];
  types?: number[];
  peers: string[];
  enabled?: boolean;
  log?: boolean;
  ends_at?: string | null;
  comment?: string;
}

export interface SecurityGroupSpec {
  description?: string;
  members?: Selector;
  intra?: "isolate" | "allow";
  rules?: GroupRule[];
}

export interface PrefixListSpec {
  description?: string;
  prefixes?: string[];
}

export interface PortException {
  hosts?: Selector | null;
  protocol: Protocol;
  ports: (string | number)[];
  peers: string[];
  reason: string;
  ends_at: string;
}

export interface PortPolicySpec {
  hosts?: Selector;
  high_risk?: Action;
  databases?: Action;
  private?: string[];
  web_ports?: (string | number)[];
  default_out?: Action;
  exceptions?: PortException[];
}

export interface OnProbation {
  plan: string;
  until: string;
}

export interface GroupView {
  name: string;
  version: number;
  description?: string;
  intra: "isolate" | "allow";
  /** The first hundred. */
  hosts: string[];
  hosts_total: number;
  rules_in: number;
  rules_out: number;
  rules_disabled: number;
  /** Rules with a peer that resolves to nothing. */
  unresolved: number;
  probation?: OnProbation | null;
  updated_at: string;
  updated_by: string;
  can: Can;
}

export interface PeerView {
  peer: string;
  addresses: number;
  resolved: boolean;
  why?: string | null;
}

/** A rule as it is enforced, with what it has decided. */
export interface RuleStats {
  /** `GROUP/ID`. */
  id: string;
  rule: GroupRule;
  peers: PeerView[];
  packets_24h: number;
  packets: number;
  last_hit_at?: string | null;
  /** The rule that decides everything before this one is asked. */
  shadowed_by?: string | null;
}

export interface Defaults {
  inbound: Action;
  outbound: Action;
}

export interface GroupDetail extends GroupView {
  spec: SecurityGroupSpec;
  rules: RuleStats[];
  defaults: Defaults;
}

/** A group that is proposed from what was seen to listen, as a document. */
export interface Starter {
  kind: string;
  name: string;
  spec: SecurityGroupSpec;
}

export interface Starters {
  resources: Starter[];
  /** What listens and is not let in by them, and why. */
  left_out: string[];
}

export interface EffectiveRule {
  id: string;
  layer: Layer;
  group?: string | null;
  priority: number;
  direction: Direction;
  action: Action;
  protocol: Protocol;
  ports: (string | number)[];
  peers: string[];
  addresses: number;
  /** It matches nobody now. */
  nobody?: boolean;
  ends_at?: string | null;
  packets: number;
  packets_24h: number;
  last_hit_at?: string | null;
}

export interface Effective {
  host: string;
  generation?: { epoch: number; n: number } | null;
  /** False on a host that no group and no policy chooses. */
  filtered: boolean;
  probation?: OnProbation | null;
  rules: EffectiveRule[];
  defaults?: Defaults | null;
  sentence: string;
  observed_at?: string | null;
  fresh_until?: string | null;
}

export interface PacketVerdict {
  action: Action;
  by: "rule" | "default" | "failsafe" | "ban" | "loopback" | "essential" | "unfiltered";
  id?: string | null;
  layer?: Layer | null;
  group?: string | null;
  priority?: number | null;
  sentence: string;
}

export interface Simulated {
  packet: string;
  host: string;
  now: PacketVerdict;
  draft?: PacketVerdict | null;
}

export interface Hit {
  id: string;
  group?: string | null;
  layer: HitLayer;
  hosts: number;
  packets: number;
  bytes: number;
  packets_24h: number;
  last_hit_at?: string | null;
  since?: string | null;
}

export interface Denied {
  host: string;
  rule: string;
  group?: string | null;
  source: string;
  protocol: string;
  port?: number | null;
  direction: Direction;
  packets: number;
  first_at: string;
  last_at: string;
  can: Can;
}

export type CellState = "world" | "private" | "named" | "shut" | "allowed_unused" | "unknown";

export interface MatrixPort {
  protocol: string;
  port: number;
  service?: string | null;
  high_risk: boolean;
}

export interface MatrixCell {
  /** Index into the ports. */
  port: number;
  state: CellState;
  process?: string | null;
  package?: string | null;
  rule?: string | null;
  path?: "host" | "docker" | "forwarded" | null;
}

export interface MatrixHost {
  host: string;
  observed_at?: string | null;
  stale: boolean;
  cells: MatrixCell[];
}

export interface Matrix {
  ports: MatrixPort[];
  hosts: MatrixHost[];
  reason?: string | null;
}

export interface Isolated {
  host: string;
  reason: string;
  by: string;
  since: string;
  ends_at?: string | null;
  plan: string;
}

export interface Connection {
  host: string;
  direction: Direction;
  protocol: string;
  peer: string;
  peer_port: number;
  port: number;
  process?: string | null;
  bytes?: number | null;
  observed_at: string;
  /** It goes through the host, to or from a container or another host behind it. */
  forwarded?: boolean;
  allowed: boolean;
  /** What the rules would say of it now. */
  would?: Action | null;
}

/** What the exposure of a socket says once there are rules. */
export interface ByRule {
  by_rule?: "unfiltered" | "world" | "private" | "named" | "none" | null;
  open?: "world" | "private" | "named" | "none" | null;
  rule?: string | null;
  path?: "host" | "docker" | "forwarded" | null;
  high_risk?: boolean;
  database?: string | null;
}

export interface BanLine {
  address: string;
  for?: string;
  reason?: string;
}

export interface Imported {
  added: number;
  /** The first of them. */
  refused: { address: string; why: string }[];
  refused_total?: number;
  /** Left out because the list is full. */
  dropped?: number;
  aggregated: number;
}

export interface Feed {
  seq: number;
  entries: number;
  aggregated: number;
  hosts: { host: string; seq: number; behind_s: number }[];
}

const name = encodeURIComponent;

export const groupQuery = (group: string) =>
  queryOptions({ queryKey: ["firewall/groups", group], queryFn: ({ signal }) => get<GroupDetail>(`/firewall/groups/${name(group)}`, undefined, signal) });

export const startersQuery = queryOptions({
  queryKey: ["firewall/starter"],
  queryFn: ({ signal }) => get<Starters>("/firewall/groups/starter", undefined, signal),
});

export const effectiveQuery = (host: string) =>
  queryOptions({ queryKey: ["firewall/effective", host], queryFn: ({ signal }) => get<Effective>("/firewall/effective", { host }, signal) });

export const matrixQuery = (q: string) =>
  queryOptions({ queryKey: ["firewall/matrix", q], queryFn: ({ signal }) => get<Matrix>("/firewall/matrix", { q }, signal), placeholderData: keepPreviousData });

export const feedQuery = queryOptions({ queryKey: ["firewall/feed"], queryFn: ({ signal }) => get<Feed>("/firewall/feed", undefined, signal) });

export const connectionsQuery = (host: string, refresh: boolean) =>
  queryOptions({ queryKey: ["connections", host], queryFn: ({ signal }) => get<List<Connection>>("/firewall/connections", { host, refresh: refresh || undefined }, signal) });

/** What becomes of a packet now, and what would with the drafts; an old answer stays greyed until the next is there. */
export const simulateQuery = (packet: string, drafts: Document[]) =>
  queryOptions({
    queryKey: ["firewall/simulate", packet, drafts],
    queryFn: ({ signal }) => call<Simulated>("post", "/firewall/simulate", { body: { packet, ...(drafts.length > 0 ? { resources: drafts } : {}) }, signal }),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 60_000,
  });

/** What applying these documents would do: the plan of a dry run. */
export const checkQuery = (documents: Document[]) =>
  queryOptions({
    // Never asked again for the same draft: once it is applied, that would only find the version moved on.
    queryKey: ["draft-check", documents],
    queryFn: ({ signal }) => call<Applied>("post", "/apply", { body: { resources: documents, dry_run: true }, signal }),
    staleTime: "static",
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 60_000,
  });

export const firewallAct = {
  isolate: (host: string, body: { reason: string; for?: string; dry_run: boolean }) => post<Plan>(`/firewall/hosts/${name(host)}/isolate`, body),
  release: (host: string, body: { dry_run: boolean }) => post<Plan>(`/firewall/hosts/${name(host)}/release`, body),
  bansImport: (bans: BanLine[], dry_run: boolean) => post<Imported>("/firewall/bans/import", { bans, dry_run }),
};

/** Where in a document a refusal points: which entry of `list`, and which field of it. */
export function placeOf(error: unknown, list: string): { index: number; field: string | null } | null {
  const body = error instanceof ApiError ? error.body : null;
  const path = typeof body === "object" && body !== null && "path" in body && typeof body.path === "string" ? body.path : "";
  const found = new RegExp(`${list}\\[(\\d+)\\](?:\\.([a-z_]+))?`).exec(path);
  return found === null ? null : { index: Number(found[1]), field: found[2] ?? null };
}
