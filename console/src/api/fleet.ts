import type { components } from "./schema";

/** Shapes of the fleet's API, under the names that the schemas of `openapi.json` have. Each of them
 * gives way to `S["…"]` as soon as the generated schema holds it. */

type S = components["schemas"];
type Can = Record<string, S["Can"]>;

export type VerdictWord = "online" | "ended" | "killed" | "unreachable" | "clock_wrong" | "never" | "agentless" | "revoked";
export type Profile = "observe" | "protect";
export type HostKind = "agent" | "agentless";
export type Standing = "active" | "retired" | "revoked";
export type Tags = Record<string, string>;

/** How a host was last heard of, since when, and what shows it. */
export interface Verdict {
  word: VerdictWord;
  since: string;
  reason?: string | null;
}

export interface HostView extends Omit<S["HostView"], "tags" | "verdict"> {
  region?: string | null;
  tags: Tags;
  kind: HostKind;
  profile: Profile;
  standing: Standing;
  /** Of an agentless host: where it is reached. */
  address?: string | null;
  verdict: Verdict;
  /** Records that its agent gave up while the server was away, by guard. */
  lost?: Record<string, number>;
  certificate?: { serial: string; not_after: string } | null;
}

export interface HostDetail extends HostView {
  guards: S["GuardView"][];
  practices: S["PracticeState"][];
}

export interface OverviewView extends Omit<S["OverviewView"], "hosts"> {
  hosts: { name: string; state: S["State"]; verdict: VerdictWord }[];
}

/** A change of a host: `null` takes the region or a tag away, what is absent stays. */
export interface HostPatch {
  region?: string | null;
  tags?: Record<string, string | null>;
  profile?: Profile;
}

export interface JoinTokenParams {
  profile?: Profile;
  region?: string;
  tags?: Tags;
  uses?: number;
  for?: string;
  url?: string;
}

export interface JoinTokenView {
  id: string;
  profile: Profile;
  region?: string | null;
  tags: Tags;
  uses_left: number;
  expires_at: string;
  created_by: string;
  created_at: string;
  root_fingerprint: string;
  /** Hosts that came in with it, newest first. */
  joined: string[];
  can: Can;
}

/** Shown once: with its secret and what to do with it. */
export interface JoinTokenCreated extends JoinTokenView {
  token: string;
  /** What will hardly work, if something is so. */
  warning?: string | null;
  command: string;
  script: string;
}

export interface UserView {
  name: string;
  role: S["Role"];
  disabled: boolean;
  totp: boolean;
  created_at: string;
  last_sign_in_at?: string | null;
  locked_until?: string | null;
  sessions: number;
  can: Can;
}

/** A one-time link that sets a password. */
export interface LinkView {
  path: string;
  expires_at: string;
}

export interface UserCreated {
  name: string;
  role: S["Role"];
  link?: LinkView | null;
}

export interface SessionRowView {
  id: string;
  user: string;
  created_at: string;
  expires_at: string;
  from: string;
  current: boolean;
}

export type SessionView = S["SessionView"] & {
  /** Whether signing in takes a code as well; absent where the server does not say it. */
  totp?: boolean;
};

/** A second factor that waits for its first code; the picture is the URI as SVG. */
export interface TotpStarted {
  secret: string;
  uri: string;
  qr_svg: string;
}

export interface TotpConfirmed {
  recovery: string[];
}

export type PlanState = S["PlanState"] | "partial";

/** How far a plan is on one host. */
export interface HostStateView {
  host: string;
  state: "waiting" | "applied" | "failed" | "rolled_back";
  at?: string | null;
  error?: string | null;
  /** Why nothing is heard of it, if so. */
  silent?: VerdictWord | null;
}

export interface CaView {
  root_fingerprint: string;
  root_not_after: string;
  /** Whether the root's private key is on the server. */
  root_key: "here" | "away";
  issuer_not_after: string;
  server_not_after: string;
}
