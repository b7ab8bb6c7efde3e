//! Who is to be told of what, as it stands now: the documents, read and ready to be asked.

use super::matching::Filter;
use super::spec::{ChannelSpec, ChannelType, PolicySpec, SilenceSpec};
use super::standing::Standing;
use super::window::{self, Hours};
use crate::scope::Groups;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use palisade_core::{HostId, Severity, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::store::HostRow;
use std::collections::{BTreeMap, HashMap};

/// The name of the policy that stands in while there is none.
pub const DEFAULT_POLICY: &str = "default";

/// The documents. Hosts are read less often than the rest.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// Channels by name, without heartbeats.
    pub channels: BTreeMap<String, ChannelSpec>,
    /// Policies in the order of their names.
    pub policies: Vec<Policy>,
    /// Silences.
    pub silences: Vec<Silence>,
    /// Groups of hosts.
    pub groups: Groups,
    /// Hosts.
    pub hosts: HashMap<HostId, HostRow>,
}

/// A policy, ready to be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// As it is written.
    pub spec: PolicySpec,
    /// When the digest is sent.
    pub digest: (Time, TimeZone),
    filter: Filter,
    hours: Option<Hours>,
}

/// A silence, ready to be asked.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Its name.
    pub name: String,
    /// As it is written.
    pub spec: SilenceSpec,
    filter: Filter,
    hours: Option<Hours>,
}

impl Policy {
    /// Reads what is written; an error names the part.
    pub fn of(name: &str, spec: PolicySpec) -> Result<Policy, ApiError> {
        let filter = Filter::of(&spec.matching).map_err(|e| e.at("match"))?;
        let hours = spec.window.as_ref().map(Hours::of).transpose().map_err(|e| e.at("window"))?;
        let of_window = spec.window.as_ref().map(|window| window.zone.as_str());
        let zone = spec.zone.as_deref().or(of_window).unwrap_or("UTC");
        let zone = window::zone(zone).map_err(|e| e.at("zone"))?;
        let time = window::time(&spec.digest_at).map_err(|e| e.at("digest_at"))?;
        Ok(Policy { name: name.to_owned(), digest: (time, zone), filter, hours, spec })
    }

    /// True if it is the time to tell people of something so severe.
    pub fn open(&self, severity: Severity, now: Timestamp) -> bool {
        let except = self.spec.window.as_ref().and_then(|window| window.except);
        self.hours.as_ref().is_none_or(|hours| hours.hold(now)) || except.is_some_and(|least| severity >= least)
    }

    fn takes(&self, standing: &Standing, roster: &Roster) -> bool {
        self.spec.urgency.is_none_or(|urgency| urgency == standing.notice.urgency)
            && roster.takes(&self.filter, standing)
    }
}

impl Silence {
    /// Reads what is written; an error names the part.
    pub fn of(name: &str, spec: SilenceSpec) -> Result<Silence, ApiError> {
        let filter = Filter::of(&spec.matching).map_err(|e| e.at("match"))?;
        let hours = spec.every.as_ref().map(Hours::of).transpose().map_err(|e| e.at("every"))?;
        Ok(Silence { name: name.to_owned(), filter, hours, spec })
    }

    /// True while it lasts.
    pub fn active(&self, now: Timestamp) -> bool {
        self.spec.from.is_none_or(|from| from <= now)
            && now < self.spec.until
            && self.hours.as_ref().is_none_or(|hours| hours.hold(now))
    }
}

impl Roster {
    /// The policies that take a notice: the first that matches, and later ones as far as each says
    /// that it goes on. While there is no policy at all, one with every channel and all defaults.
    pub fn route(&self, standing: &Standing) -> Vec<&Policy> {
        let mut taken = Vec::new();
        for policy in self.policies.iter().filter(|policy| policy.takes(standing, self)) {
            taken.push(policy);
            if !policy.spec.goes_on {
                break;
            }
        }
        taken
    }

    /// The silence that keeps a notice from being told now.
    pub fn silence(&self, standing: &Standing, now: Timestamp) -> Option<&Silence> {
        self.silences.iter().find(|silence| silence.active(now) && self.takes(&silence.filter, standing))
    }

    /// Puts in the default policy if there is none.
    pub fn completed(mut self) -> Roster {
        if self.policies.is_empty() && !self.channels.is_empty() {
            let spec = PolicySpec::for_channels(self.channels.keys().cloned().collect());
            self.policies.extend(Policy::of(DEFAULT_POLICY, spec));
        }
        self
    }

    /// True for a channel whose receiver groups and repeats by itself.
    pub fn relays(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|spec| spec.kind == ChannelType::Alertmanager)
    }

    fn takes(&self, filter: &Filter, standing: &Standing) -> bool {
        let host = standing.notice.host.as_ref().and_then(|host| self.hosts.get(host));
        filter.takes(&standing.labels, standing.notice.severity, host, &self.groups)
    }
}
