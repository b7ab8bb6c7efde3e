//! Which hosts something is for: all, a group, by tag, by name. New hosts join by themselves.

use palisade_core::{HostId, HostKind, Standing, Tags};
use palisade_guard::api::ApiError;
use palisade_guard::store::HostRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Names in one scope or group at most.
pub const NAMED_MAX: usize = 1_000;

/// Hosts. What is given must all be true of a host; nothing given means every host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HostScope)] // the firewall has a `Scope` of its own in the same document
pub struct Scope {
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub hosts: Vec<HostId>,
    /// All of these tags.
    #[serde(default, skip_serializing_if = "is_empty")]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub tags: Tags,
    /// In this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A member of this ResourceGroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

fn is_empty(tags: &Tags) -> bool {
    tags.iter().next().is_none()
}

/// What a ResourceGroup says: hosts by name, and hosts that have all of the tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub hosts: Vec<HostId>,
    /// Those that have all of these tags; none if empty.
    #[serde(default, skip_serializing_if = "is_empty")]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub tags: Tags,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Groups by name.
pub type Groups = BTreeMap<String, Group>;

impl Group {
    /// True for a member.
    pub fn holds(&self, host: &HostRow) -> bool {
        self.hosts.contains(&host.id) || (!is_empty(&self.tags) && host.tags.contains(&self.tags))
    }
}

impl Scope {
    /// True for hosts that it is for. Hosts out of service are in no scope, and a group that does not
    /// exist has no members.
    pub fn holds(&self, host: &HostRow, groups: &Groups) -> bool {
        host.standing == Standing::Active
            && (self.hosts.is_empty() || self.hosts.contains(&host.id))
            && host.tags.contains(&self.tags)
            && self.region.as_ref().is_none_or(|region| host.region.as_ref() == Some(region))
            && self.group.as_ref().is_none_or(|name| groups.get(name).is_some_and(|group| group.holds(host)))
    }

    /// As [`Scope::holds`], for what only an agent can do.
    pub fn holds_agent(&self, host: &HostRow, groups: &Groups) -> bool {
        host.kind == HostKind::Agent && self.holds(host, groups)
    }

    /// Refuses what is too much; `at` is the place in the document.
    pub fn checked(&self, at: &str) -> Result<(), ApiError> {
        if self.hosts.len() > NAMED_MAX {
            let error = ApiError::invalid(format!("more than {NAMED_MAX} hosts by name")).at(at);
            return Err(error.hint("use a tag, or a ResourceGroup"));
        }
        Ok(())
    }
}
