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

export type Session = S["SessionView"];
export type SignInFacts = S["SignInView"];

export type FindingState = S["FindingState"];
export type Finding = S["Finding"];
export type FindingView = S["FindingView"];
export type FindingList = S["FindingPage"];

export type PracticeState = S["PracticeState"];
export type PracticeRow = S["PracticeView"];
export type Overview = S["OverviewView"];

export type Verdict = S["Verdict"];
export type HostView = S["HostView"];
export type HostDetail = S["HostDetail"];
export type GuardState = S["GuardView"];

export type PlanState = S["PlanState"];
export type EffectKind = S["EffectKind"];
/** A plan as stored, with what can be done; a preview comes without the latter. */
export type Plan = S["Plan"] & { can?: Can };
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
export type SeriesAnswer = Omit<S["SeriesAnswer"], "series"> & { series: { labels: Record<string, string>; points: Point[] }[] };
export type ProcessSample = S["TopProcess"];
export type ProcessList = S["ProcessesView"];

export type Token = S["TokenView"];
export type TokenMade = S["TokenCreated"];
