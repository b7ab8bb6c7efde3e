import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, get, post } from "./client";
import { ApiError } from "./errors";
import type { Applied, Document } from "./monitor";
import type { components } from "./schema";
import type { Can, List, Plan } from "./types";

/** Words and calls of the firewall guard beyond bans: groups, lists, policies, exposure, hits. */

type S = components["schemas"];

export type Action = S["RuleAction"];
export type Direction = S["Direction"];
export type Protocol = S["RuleProtocol"];
export const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "gre", "all"] as const satisfies readonly Protocol[];
export type Layer = S["Layer"];
/** What no rule decides is counted too. */
export type HitLayer = Layer | "default";

/** Which hosts: all, or those named, or those that have all of the tags and are in the region. */
export type Selector = S["HostSelector"];
export type GroupRule = S["GroupRule"];
export type SecurityGroupSpec = S["SecurityGroupSpec"];

/** Specs of documents that no address of the API answers with: of the kinds' own schemas. */
export interface PrefixListSpec {
  description?: string;
  prefixes?: string[];
}

export interface PortException {
  hosts?: Selector | null;
  protocol: Protocol;
  ports: string[];
  peers: string[];
  reason: string;
  ends_at: string;
}

export interface PortPolicySpec {
  hosts?: Selector;
  high_risk?: Action;
  databases?: Action;
  private?: string[];
  web_ports?: string[];
  default_out?: Action;
  exceptions?: PortException[];
}

export type GroupView = S["GroupView"];
export type PeerView = S["PeerView"];
/** A rule as it is enforced, with what it has decided. */
export type RuleStats = S["GroupRuleView"];
export type GroupDetail = S["GroupDetails"];
/** Groups that are proposed from what was seen to listen, as documents. */
export type Starter = S["StarterGroup"];
export type Starters = S["Starter"];
export type Defaults = S["DefaultsView"];
export type EffectiveRule = S["EffectiveRule"];
export type Effective = S["EffectiveView"];
export type PacketVerdict = S["FirewallVerdict"];
export type Simulated = S["FirewallSimulation"];
/** The schema has any word for the layer. */
export type Hit = Omit<S["HitView"], "layer"> & { layer: HitLayer };
export type Denied = Omit<S["DeniedView"], "can"> & { can: Can };
export type CellState = S["ExposureState"];
export type MatrixPort = S["MatrixPort"];
export type MatrixCell = S["ExposureCell"];
export type MatrixHost = S["MatrixRow"];
export type Matrix = S["Matrix"];
export type Isolated = S["IsolatedView"];
export type Connection = S["ConnectionView"];
export type BanLine = S["ImportBan"];
export type Imported = S["ImportView"];
export type Feed = S["FeedView"];

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
