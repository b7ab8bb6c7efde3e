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
  certificate?: CertificateView | null;
}

/** The certificate by which a host is known; absent for the server's own host. */
export interface CertificateView {
  serial: string;
  not_after?: string | null;
}

export interface HostDetail extends HostView {
  guards: S["GuardView"][];
  practices: S["PracticeState"][];
}

export interface OverviewView extends Omit<S["OverviewView"], "hosts"> {
  hosts: { name: string; state: S["State"]; verdict: VerdictWord }[];
}

/** A change of a host: `null` takes the region or a tag away, what is absent stays. */
export interface HostParams {
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
  password_due_at?: string | null;
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
  used_at: string;
  expires_at: string;
  from: string;
  current: boolean;
}

export type SessionView = S["SessionView"] & {
  /** True when the password is too old: until it is changed, everything else is refused. */
  password_due?: boolean;
};

/** One's own account. */
export interface AccountView {
  name: string;
  role: S["Role"];
  totp: boolean;
  /** Recovery codes that were not used yet. */
  recovery_left: number;
  password_set_at: string;
  password_due_at: string;
}

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

/** How many hosts of a plan stand where. */
export interface PlanProgress {
  hosts: number;
  waiting: number;
  applied: number;
  failed: number;
  rolled_back: number;
}

export type PlanHostState = "waiting" | "applied" | "failed" | "rolled_back";

/** How far a plan is on one host. */
export interface PlanHostView {
  host: string;
  state: PlanHostState;
  at?: string | null;
  error?: string | null;
  /** Why nothing is heard of it, if so. */
  silent?: VerdictWord | null;
  /** By which way the operator has reached it since the change. */
  path?: "connection" | "ssh" | null;
}

/** A private key of the authority: usable, taken away, or there but closed. */
export interface KeyView {
  state: "here" | "away" | "locked";
  /** Why it cannot be used, and what to do. */
  reason?: string | null;
}

/** Root, issuer and the server's own certificate. */
export interface AuthorityView {
  root: { fingerprint: string; not_after: string; key: KeyView };
  issuer: { serial?: string | null; not_after?: string | null; renew_at?: string | null; key: KeyView };
  certificate: { fingerprint: string; names: string[]; not_after: string; renew_at: string };
  /** Where the file is expected that opens the keys. */
  key_file: string;
}
