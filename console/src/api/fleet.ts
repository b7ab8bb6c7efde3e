import type { components } from "./schema";

/** Shapes of the fleet's API, under the names that the schemas have. */

type S = components["schemas"];
export type VerdictWord = S["VerdictWord"];
export type Profile = S["Profile"];
export type HostKind = S["HostKind"];
export type Standing = S["Standing"];
export type Tags = S["Tags"];
/** How a host was last heard of, since when, and what shows it. */
export type Verdict = S["Verdict"];
export type HostView = S["HostView"];
/** The certificate by which a host is known; absent for the server's own host. */
export type CertificateView = S["CertificateView"];
export type HostDetail = S["HostDetail"];
export type OverviewView = S["OverviewView"];
/** A change of a host: `null` takes the region or a tag away, what is absent stays. */
export type HostParams = S["HostParams"];
export type JoinTokenParams = S["JoinTokenParams"];
export type JoinTokenView = S["JoinTokenView"];
/** Shown once: with its secret and what to do with it. */
export type JoinTokenCreated = S["JoinTokenCreated"];
export type UserView = S["UserView"];
/** A one-time link that sets a password. */
export type LinkView = S["LinkView"];
export type UserCreated = S["UserCreated"];
export type SessionRowView = S["SessionRowView"];
export type SessionView = S["SessionView"];
/** One's own account. */
export type AccountView = S["AccountView"];
/** A second factor that waits for its first code; the picture is the URI as SVG. */
export type TotpStarted = S["TotpStarted"];
export type TotpConfirmed = S["TotpConfirmed"];
export type PlanState = S["PlanState"];
/** How many hosts of a plan stand where. */
export type PlanProgress = S["PlanProgress"];
export type PlanHostState = S["PlanHostState"];
/** How far a plan is on one host. */
export type PlanHostView = S["PlanHostView"];
/** A private key of the authority: usable, taken away, or there but closed. */
export type KeyView = S["KeyView"];
/** Root, issuer and the server's own certificate. */
export type AuthorityView = S["AuthorityView"];
