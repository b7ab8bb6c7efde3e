import type * as Fleet from "./fleet";
import type { components } from "./schema";

/** The words of the API for the rest of the console: short names for the generated schema. */

type S = components["schemas"];

export type Severity = S["Severity"];
export type State = S["State"];
export type Role = S["Role"];
/** What may be done: true, or the reason why not. */
export type Can = Record<string, S["Can"]>;

/** What every list has. */
export interface List<T> {
  items: T[];
  total: number;
  next_cursor?: string | null;
  /** Why it is empty, if it is. */
  reason?: string | null;
}

export type Session = Fleet.SessionView;
export type SignInFacts = S["SignInView"];

export type FindingState = S["FindingState"];
export type Finding = S["Finding"];
export type FindingView = S["FindingView"];
export type FindingList = S["FindingPage"];

export type PracticeState = S["PracticeState"];
export type PracticeRow = S["PracticeView"];
/** `alarms_firing` is absent while no alarm rule is kept. */
export type Overview = Omit<Fleet.OverviewView, "counts"> & { counts: Fleet.OverviewView["counts"] & { alarms_firing?: number } };

export type Verdict = Fleet.Verdict;
export type VerdictWord = Fleet.VerdictWord;
export type Profile = Fleet.Profile;
export type Standing = Fleet.Standing;
export type Tags = Fleet.Tags;
export type HostView = Fleet.HostView;
export type HostDetail = Fleet.HostDetail;
export type HostParams = Fleet.HostParams;
export type GuardState = S["GuardView"];

export type PlanState = Fleet.PlanState;
export type EffectKind = S["EffectKind"];
/** A plan as stored, with what can be done; a preview comes without the latter. */
export type Plan = Omit<S["Plan"], "state"> & { state: PlanState; can?: Can; proof?: S["Proof"] | null; progress?: Fleet.PlanProgress; hosts_state?: PlanHost[] };
export type PlanHost = Fleet.PlanHostView;
export type Report = S["Report"];

export type Ban = S["BanView"];
export type BanParams = S["BanParams"];
export type AllowEntry = S["AllowView"];
export type AllowParams = S["AllowParams"];
export type ExposureRow = S["ExposureView"];
export type Ruleset = S["RulesetView"];

export type Event = S["EventView"];

export type InventoryKind = "accounts" | "ports" | "processes" | "packages" | "modules" | "autostart" | "webroots";
/** Rows differ by kind and are flat. */
export type InventoryRow = Record<string, string | number | boolean | null | string[]>;
export type InventoryList = List<InventoryRow> & { observed_at?: string | null };

/** A point: Unix seconds and the value, or null where nothing was measured. */
export type Point = [number, number | null];
/** The document cannot say that a point is a pair; that alone is said here. */
export type SeriesAnswer = Omit<S["SeriesAnswer"], "series"> & { series: { labels: Record<string, string>; points: Point[]; min?: (number | null)[] | null; max?: (number | null)[] | null }[] };
export type ProcessSample = S["TopProcess"];
export type ProcessList = S["ProcessesView"];

export type Token = S["TokenView"];
export type TokenMade = S["TokenCreated"];

export type JoinToken = Fleet.JoinTokenView;
export type JoinTokenMade = Fleet.JoinTokenCreated;
export type JoinTokenParams = Fleet.JoinTokenParams;

export type User = Fleet.UserView;
export type UserMade = Fleet.UserCreated;
export type UserLink = Fleet.LinkView;
export type Account = Fleet.AccountView;
export type SessionRow = Fleet.SessionRowView;
export type TotpStarted = Fleet.TotpStarted;
export type TotpConfirmed = Fleet.TotpConfirmed;

export type ServerStatus = S["StatusView"];
export type Authority = Fleet.AuthorityView;
export type AuthorityKey = Fleet.KeyView;
