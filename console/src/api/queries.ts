import { infiniteQueryOptions, keepPreviousData, QueryClient, queryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { get, patch, post, remove, setCsrf } from "./client";
import { ApiError } from "./errors";
import type { Connection, Denied, GroupView, Hit, Isolated } from "./firewall";
import type { AlarmView, ChannelView, Delivery, ProbeView, Resource, RuleView, SecretView, SilenceView } from "./monitor";
import type {
  Account,
  AllowEntry,
  AllowParams,
  Authority,
  Ban,
  BanParams,
  Event,
  ExposureRow,
  FindingList,
  FindingView,
  HostDetail,
  HostParams,
  HostView,
  InventoryList,
  JoinToken,
  JoinTokenMade,
  JoinTokenParams,
  List,
  Overview,
  Plan,
  PracticeRow,
  ProcessList,
  Role,
  Ruleset,
  SeriesAnswer,
  ServerStatus,
  Session,
  SessionRow,
  SignInFacts,
  Token,
  TokenMade,
  TotpConfirmed,
  TotpStarted,
  User,
  UserLink,
  UserMade,
} from "./types";

/** Every endpoint that the console uses. The first part of a query key is the API path: the live
 * stream names topics in the same words. */

const RETRIES_MAX = 2;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => {
        const retryable = error instanceof ApiError && (error.status === 0 || error.status >= 500);
        return retryable && count < RETRIES_MAX;
      },
      retryDelay: (attempt) => 400 * 2 ** attempt + Math.random() * 300,
    },
    mutations: { retry: false },
  },
});

/** A word with several values is sent several times. */
export type Filter = Record<string, string | number | string[] | undefined>;
const name = encodeURIComponent;

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }) => {
    const asked_ms = Date.now();
    const session = await get<Session>("/session", undefined, signal);
    const answered_ms = Date.now();
    setCsrf(session.csrf);
    // How far this clock is behind the server's; deadlines are the server's.
    const clockOffsetMs = Date.parse(session.server.time) - (asked_ms + answered_ms) / 2;
    return { ...session, clockOffsetMs: Math.abs(clockOffsetMs) < 1500 ? 0 : clockOffsetMs };
  },
  staleTime: 300_000,
});

export const signInFacts = queryOptions({
  queryKey: ["sign-in"],
  queryFn: ({ signal }) => get<SignInFacts>("/sign-in", undefined, signal),
});

export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: ({ signal }) => get<Overview>("/overview", undefined, signal),
  refetchInterval: 30_000,
});

/** What each list endpoint holds. */
export interface Lists {
  hosts: List<HostView>;
  findings: FindingList;
  practices: List<PracticeRow>;
  plans: List<Plan>;
  "inventory/accounts": InventoryList;
  "inventory/ports": InventoryList;
  "inventory/processes": InventoryList;
  "inventory/packages": InventoryList;
  "inventory/modules": InventoryList;
  "inventory/autostart": InventoryList;
  "inventory/webroots": InventoryList;
  "firewall/bans": List<Ban>;
  "firewall/allow": List<AllowEntry>;
  "firewall/exposure": List<ExposureRow>;
  "firewall/ruleset": List<Ruleset>;
  "firewall/groups": List<GroupView>;
  "firewall/hits": List<Hit>;
  "firewall/denied": List<Denied>;
  "firewall/isolated": List<Isolated>;
  "firewall/connections": List<Connection>;
  "journal/events": List<Event>;
  audit: List<Event>;
  tokens: List<Token>;
  "join-tokens": List<JoinToken>;
  users: List<User>;
  sessions: List<SessionRow>;
  "monitor/alarms": List<AlarmView>;
  "monitor/rules": List<RuleView>;
  "monitor/channels": List<ChannelView>;
  "monitor/deliveries": List<Delivery>;
  "monitor/silences": List<SilenceView>;
  "monitor/secrets": List<SecretView>;
  "monitor/probes": List<ProbeView>;
  "resources/PrefixList": List<Resource>;
  "resources/PortPolicy": List<Resource>;
  "resources/NotificationChannel": List<Resource>;
  "resources/NotificationPolicy": List<Resource>;
  "resources/ResourceGroup": List<Resource>;
  "resources/ProcessWatch": List<Resource>;
  "resources/Sampling": List<Resource>;
}

export type ListPath = keyof Lists;
export type RowOf<P extends ListPath> = Lists[P]["items"][number];

const PAGE_ROWS = 100;

export const listQuery = <P extends ListPath>(path: P, filter: Filter = {}) =>
  infiniteQueryOptions({
    queryKey: [path, "list", filter] as const,
    queryFn: ({ pageParam, signal }) => get<Lists[P]>(`/${path}`, { limit: PAGE_ROWS, ...filter, cursor: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** A list page by page: the rows so far, the first answer (for totals and times) and what can be done. */
export interface ListState<T, L = List<T>> {
  first: L | undefined;
  rows: T[] | undefined;
  total: number;
  error: unknown;
  refetch: () => void;
  /** Reads the next page; null when there is none. */
  next: (() => void) | null;
  readingNext: boolean;
  /** True while rows of another filter still stand there. */
  outdated: boolean;
  /** Changes when another list is meant, not when the same one moves. */
  identity: string;
}

export function useList<P extends ListPath>(path: P, filter: Filter = {}, every_ms?: number): ListState<RowOf<P>, Lists[P]> {
  const query = useInfiniteQuery({ ...listQuery(path, filter), refetchInterval: every_ms });
  const pages = query.data?.pages;
  return {
    first: pages?.[0],
    rows: pages?.flatMap((page) => page.items as RowOf<P>[]),
    total: pages?.[0]?.total ?? 0,
    error: query.error,
    refetch: () => void query.refetch(),
    next: query.hasNextPage ? () => void query.fetchNextPage() : null,
    readingNext: query.isFetchingNextPage,
    outdated: query.isPlaceholderData,
    identity: `${path} ${JSON.stringify(filter)}`,
  };
}

export const hostQuery = (host: string) =>
  queryOptions({ queryKey: ["hosts", host], queryFn: ({ signal }) => get<HostDetail>(`/hosts/${name(host)}`, undefined, signal) });

export const statusQuery = queryOptions({ queryKey: ["status"], queryFn: ({ signal }) => get<ServerStatus>("/status", undefined, signal) });
export const accountQuery = queryOptions({ queryKey: ["account"], queryFn: ({ signal }) => get<Account>("/account", undefined, signal) });
export const caQuery = queryOptions({ queryKey: ["server/ca"], queryFn: ({ signal }) => get<Authority>("/server/ca", undefined, signal) });

export const findingQuery = (id: string) =>
  queryOptions({ queryKey: ["findings", id], queryFn: ({ signal }) => get<FindingView>(`/findings/${name(id)}`, undefined, signal) });

export const planQuery = (id: string) =>
  queryOptions({ queryKey: ["plans", id], queryFn: ({ signal }) => get<Plan>(`/plans/${name(id)}`, undefined, signal) });

/** A series over a range. `range` stands in the key instead of its moving ends, so that a relative
 * range that moves on refreshes one entry instead of adding another. No topic touches it: samples of
 * all hosts come all the time, and a chart reads at its own pace. */
export const seriesQuery = (asked: { host: string; name: string; from: number; to: number; step: number }, range: string, every_ms?: number) =>
  queryOptions({
    queryKey: ["series", asked.host, asked.name, range, asked.step],
    queryFn: ({ signal }) => get<SeriesAnswer>("/monitor/series", asked, signal),
    refetchInterval: every_ms,
    placeholderData: keepPreviousData,
  });

export const processesQuery = (host: string, every_ms?: number) =>
  queryOptions({
    queryKey: ["monitor", "processes", host],
    queryFn: ({ signal }) => get<ProcessList>("/monitor/processes", { host }, signal),
    refetchInterval: every_ms,
  });

export const act = {
  signIn: (body: { name: string; password: string; code?: string }) => post<unknown>("/session", body),
  signOut: () => remove<unknown>("/session"),
  welcome: (body: { token: string; name?: string; password: string; totp_code?: string }) => post<unknown>("/welcome", body),
  planConfirm: (id: string, waiver?: string) => post<Plan>(`/plans/${name(id)}/confirm`, waiver ? { waiver } : {}),
  planRollback: (id: string) => post<Plan>(`/plans/${name(id)}/rollback`),
  banAdd: (body: BanParams) => post<Plan>("/firewall/bans", body),
  banRelease: (address: string) => remove<Plan>(`/firewall/bans/${name(address)}`),
  allowAdd: (body: AllowParams) => post<Plan>("/firewall/allow", body),
  allowRemove: (cidr: string) => remove<Plan>(`/firewall/allow/${name(cidr)}`),
  monitorLive: (host: string) => post<unknown>("/monitor/live", { host }),
  tokenMake: (body: { name: string; role: Role; for: string }) => post<TokenMade>("/tokens", body),
  hostChange: (host: string, body: HostParams) => patch<HostView>(`/hosts/${name(host)}`, body),
  hostRetire: (host: string) => post<HostView>(`/hosts/${name(host)}/retire`),
  hostRevoke: (host: string, reason: string) => post<HostView>(`/hosts/${name(host)}/revoke`, { reason }),
  hostLook: (host: string) => post<unknown>("/orders", { kind: "look", host }),
  joinTokenMake: (body: JoinTokenParams) => post<JoinTokenMade>("/join-tokens", body),
  joinTokenDelete: (id: string) => remove<unknown>(`/join-tokens/${name(id)}`),
  userMake: (body: { name: string; role: Role }) => post<UserMade>("/users", body),
  userChange: (user: string, body: { role?: Role; disabled?: boolean }) => patch<User>(`/users/${name(user)}`, body),
  userTotpReset: (user: string) => remove<unknown>(`/users/${name(user)}/totp`),
  userLink: (user: string) => post<UserLink>(`/users/${name(user)}/link`),
  sessionEnd: (id: string) => remove<unknown>(`/sessions/${name(id)}`),
  sessionsEndOthers: () => remove<unknown>("/sessions"),
  passwordChange: (body: { old: string; new: string }) => post<unknown>("/account/password", body),
  totpStart: () => post<TotpStarted>("/account/totp"),
  totpConfirm: (code: string) => post<TotpConfirmed>("/account/totp/confirm", { code }),
  totpRemove: (body: { password: string; code: string }) => remove<unknown>("/account/totp", body),
  tokenDelete: (token: string) => remove<unknown>(`/tokens/${name(token)}`),
};
