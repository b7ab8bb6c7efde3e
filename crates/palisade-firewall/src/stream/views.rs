//! What the API shows of what hosts tell.

use super::record::Connection;
use crate::group::model::{Action, Direction};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::Can;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which rules.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HitsParams {
    /// Only on this host.
    pub host: Option<String>,
    /// Only rules of this security group.
    pub group: Option<String>,
    /// Only rules that are in force and have decided about nothing.
    pub unused: Option<bool>,
}

/// Whose conversations.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConnectionsParams {
    /// Of this host.
    pub host: String,
    /// Ask the host now, and wait some seconds for its answer.
    pub refresh: Option<bool>,
}

/// What a rule has decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HitView {
    /// Its id: `GROUP/ID`, `policy/high-risk-tcp`, `default/in`.
    pub id: String,
    /// The security group that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// `isolation`, `policy`, `domain`, `group`, `intra` or `default`.
    pub layer: String,
    /// On how many hosts it is.
    pub hosts: u64,
    /// Packets in 90 days.
    pub packets: u64,
    /// Bytes in 90 days.
    pub bytes: u64,
    /// Packets in the last 24 hours.
    pub packets_24h: u64,
    /// When it decided about something last.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_hit_at: Option<Timestamp>,
    /// Since when it is counted.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Timestamp>,
}

impl HitView {
    /// A rule that has decided about nothing.
    pub fn never(id: &str) -> HitView {
        HitView {
            id: id.to_owned(),
            group: group_of(id).map(str::to_owned),
            layer: layer_of(id).to_owned(),
            hosts: 0,
            packets: 0,
            bytes: 0,
            packets_24h: 0,
            last_hit_at: None,
            since: None,
        }
    }
}

/// The layers whose rules are named by them; all other rules are of groups.
const LAYERS: [&str; 5] = ["isolation", "policy", "domain", "intra", "default"];

fn layer_of(id: &str) -> &'static str {
    let word = id.split_once('/').map_or(id, |(word, _)| word);
    LAYERS.into_iter().find(|layer| *layer == word).unwrap_or("group")
}

/// The security group of a rule, if it is one of a group.
pub fn group_of(id: &str) -> Option<&str> {
    match (layer_of(id), id.split_once('/')) {
        ("intra", Some((_, group))) | ("group", Some((group, _))) => Some(group),
        _ => None,
    }
}

/// Denied packets that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeniedView {
    /// Where.
    #[schema(value_type = String)]
    pub host: HostId,
    /// By which rule.
    pub rule: String,
    /// The security group that the rule belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// The other side.
    pub source: String,
    /// `tcp`, `udp`, `icmp`, …, or the number of the protocol.
    pub protocol: String,
    /// The port that was to be reached, of ICMP the type; absent where there is none, and for further
    /// ports of one who tries many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port: Option<u16>,
    /// Who began.
    pub direction: Direction,
    /// How many.
    pub packets: u64,
    /// The first.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// The last.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// What the caller may do about it.
    pub can: DeniedCan,
}

/// What the caller may do about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeniedCan {
    /// Shut it out.
    pub ban: Can,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// Where.
    #[schema(value_type = String)]
    pub host: HostId,
    /// Who speaks with whom.
    #[serde(flatten)]
    pub connection: Connection,
    /// The filter lets it through: it is marked so, or nothing is filtered, or the filter would.
    pub allowed: bool,
    /// What the filter that the server has for the host says of it now; absent for what it cannot judge.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub would: Option<Action>,
    /// When the host looked.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
}

impl std::ops::Deref for ConnectionView {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
