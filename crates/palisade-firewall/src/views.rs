//! What callers of the API send and get; the same on the server and on the host's own socket.

use crate::exposure::{ByRule, Joined, Open, Path};
use crate::model::{Ours, Protocol, Scope, Table};
use crate::spec::{Allow, Ban};
use palisade_core::{Cidr, HostId, Span, Timestamp};
use palisade_guard::api::Can;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use utoipa::{IntoParams, ToSchema};

/// Whom to shut out.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BanParams {
    /// An address or a network.
    pub address: Cidr,
    /// How long; until it is released if absent.
    #[serde(rename = "for", default)]
    #[schema(value_type = Option<String>, example = "12h")]
    pub length: Option<Span>,
    /// Why, for people: one line of at most 500 characters.
    #[serde(default)]
    pub reason: Option<String>,
    /// Undone by itself after this time unless the plan is kept; 60 s for a network if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "60s")]
    pub probation: Option<Span>,
    /// On which hosts; on all, those that join later too, if absent.
    #[serde(default)]
    pub hosts: Option<Vec<HostId>>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Whom to shut out of every host, many at once.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportParams {
    /// At most 100,000 addresses and networks.
    pub bans: Vec<ImportBan>,
    /// How long, for those that do not say it themselves; until they are released if absent.
    #[serde(rename = "for", default)]
    #[schema(value_type = Option<String>, example = "12h")]
    pub length: Option<Span>,
    /// Why, for those that do not say it themselves: one line of at most 500 characters.
    #[serde(default)]
    pub reason: Option<String>,
    /// Answer with what would be done and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// One of them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBan {
    /// An address or a network; what is neither is refused, and the others are not.
    pub address: String,
    /// How long.
    #[serde(rename = "for", default)]
    #[schema(value_type = Option<String>, example = "12h")]
    pub length: Option<Span>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// How many are shut out now that were not, or for longer than they were.
    pub added: u64,
    /// Which may not be shut out; the first 1,000.
    pub refused: Vec<ImportRefusal>,
    /// How many may not be.
    pub refused_total: u64,
    /// How many other bans, those that end first, were given up to make room.
    pub dropped: u64,
    /// How many networks are shut out because many of their addresses are.
    pub aggregated: u64,
}

/// An address that may not be shut out, or what is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportRefusal {
    /// Which; of what is none the first 80 characters.
    pub address: String,
    /// Why not.
    pub why: String,
}

/// How far the feed of bans is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedView {
    /// The number of its last change.
    pub seq: u64,
    /// How many addresses and networks it shuts out.
    pub entries: u64,
    /// How many networks are shut out because many of their addresses are; counted once a minute.
    pub aggregated: u64,
    /// How many bans were given up to make room, since the server was installed.
    pub dropped: u64,
    /// How far each host has stored it.
    pub hosts: Vec<FeedHostView>,
}

/// How far one host has stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedHostView {
    /// The host.
    pub host: HostId,
    /// The number of the last change that it has stored.
    pub seq: u64,
    /// For how long the first change waits that it has not stored; 0 when it has all.
    pub behind_s: u64,
}

/// Whom never to shut out.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowParams {
    /// An address or a network.
    pub cidr: Cidr,
    /// How long; until it is removed if absent.
    #[serde(rename = "for", default)]
    #[schema(value_type = Option<String>, example = "30d")]
    pub length: Option<Span>,
    /// Why, for people: one line of at most 500 characters.
    #[serde(default)]
    pub reason: Option<String>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// How a removal is asked for.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveParams {
    /// Answer with the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which host.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HostParams {
    /// Only this host.
    pub host: Option<String>,
}

/// Which sockets.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExposureParams {
    /// Only this host.
    pub host: Option<String>,
    /// Only what is open to these in fact.
    #[param(inline)]
    pub open: Option<Open>,
}

/// Which cells.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MatrixParams {
    /// Words that must all occur in the host, the port (`tcp/22`), its service, the process, the package
    /// or the rule.
    pub q: Option<String>,
}

/// For which hosts.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StarterParams {
    /// Names, separated by commas; all hosts if absent.
    pub hosts: Option<String>,
}

/// Who decides about a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The server.
    Server,
    /// The host's own operator.
    Local,
}

/// A ban in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanView {
    /// Who is shut out: an address or a network.
    pub address: Cidr,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// On which hosts; empty is all.
    pub hosts: Vec<HostId>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; absent is until it is released.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// It is undone then, unless its plan is kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probation_until: Option<Timestamp>,
    /// The plan that made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<String>,
    /// Who decides about it; on a host's own socket only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// What the caller may do: `remove`.
    pub can: BTreeMap<String, Can>,
}

impl BanView {
    /// A ban as it is shown.
    pub fn of(ban: Ban, hosts: Vec<HostId>, remove: Can) -> BanView {
        BanView {
            address: ban.cidr,
            reason: ban.reason,
            by: ban.by,
            hosts,
            since: ban.since,
            ends_at: ban.ends_at,
            probation_until: ban.probation_until,
            plan: ban.plan,
            origin: None,
            can: BTreeMap::from([("remove".to_owned(), remove)]),
        }
    }
}

/// An entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowView {
    /// Who is never shut out.
    pub cidr: Cidr,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; absent is until it is removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// Who decides about it; on a host's own socket only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// What the caller may do: `remove`.
    pub can: BTreeMap<String, Can>,
}

impl AllowView {
    /// An entry as it is shown.
    pub fn of(allow: Allow, remove: Can) -> AllowView {
        AllowView {
            cidr: allow.cidr,
            reason: allow.reason,
            by: allow.by,
            since: allow.since,
            ends_at: allow.ends_at,
            origin: None,
            can: BTreeMap::from([("remove".to_owned(), remove)]),
        }
    }
}

/// One listening socket of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureView {
    /// The host.
    pub host: HostId,
    /// tcp or udp.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// The address that it is bound to.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Who holds it; hostile text is possible.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub process: Option<String>,
    /// Its process id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<u32>,
    /// The package of its program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<String>,
    /// From where it can be reached, by its address alone.
    pub scope: Scope,
    /// From where the rules of the host let packets in to the port.
    pub by_rule: ByRule,
    /// To whom it is open in fact: by its address and by the rules that are in force. Rules of other
    /// tools are not evaluated.
    pub open: Open,
    /// The rule that lets the widest in, or that shuts; `default/in` where none decides.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// How packets come to it.
    pub path: Path,
    /// Where a published port leads: `10.0.0.2:80`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<String>,
    /// The last port of a published range.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port_last: Option<u16>,
    /// The mission calls the port high-risk.
    pub high_risk: bool,
    /// The database that it is, or leads to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub database: Option<String>,
    /// The worst open finding about the port.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finding: Option<String>,
    /// When the host was last looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed_at: Option<Timestamp>,
    /// Until when that counts as fresh.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fresh_until: Option<Timestamp>,
}

impl ExposureView {
    /// A socket or a published port as it is shown.
    pub fn of(host: &HostId, joined: Joined) -> ExposureView {
        let listener = joined.listener.unwrap_or_default();
        ExposureView {
            host: host.clone(),
            protocol: joined.protocol,
            port: joined.port,
            address: joined.address,
            scope: joined.scope,
            by_rule: joined.by_rule,
            open: joined.open,
            rule: joined.rule,
            path: joined.path,
            to: joined.to,
            port_last: (joined.port_last != joined.port).then_some(joined.port_last),
            high_risk: joined.high_risk,
            database: joined.database.map(str::to_owned),
            process: listener.process,
            pid: listener.pid,
            package: listener.package,
            finding: None,
            observed_at: None,
            fresh_until: None,
        }
    }
}

/// What the kernel of one host filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RulesetView {
    /// The host.
    pub host: HostId,
    /// Why it could not be read, if so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unreadable: Option<String>,
    /// All tables, foreign ones too.
    pub tables: Vec<Table>,
    /// Our own.
    pub ours: Ours,
    /// Tables of the older iptables, which nftables does not show.
    pub legacy: Vec<String>,
    /// When the host was last looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed_at: Option<Timestamp>,
    /// Until when that counts as fresh.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fresh_until: Option<Timestamp>,
}
