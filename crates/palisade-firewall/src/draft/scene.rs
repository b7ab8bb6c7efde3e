//! Who asks for a change, where it goes, what is in force, and how that is said.

use crate::WORD;
use crate::spec::Allow;
use crate::store::BanRow;
use palisade_core::{Cidr, Effect, EffectKind, Generation, HostId, Plan, PlanState, Severity, Step, Timestamp};
use std::net::IpAddr;

/// Bans or entries that one list of effects names.
const NAMED_MAX: usize = 3;

/// Where a change goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The host whose own operator asks.
    ThisHost,
    /// All hosts, those that join later too; the ones that there are now.
    Fleet(Vec<HostId>),
    /// Named hosts.
    Hosts(Vec<HostId>),
}

/// Who asks, where it goes, and what is in force now.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// Who asks.
    pub by: &'a str,
    /// The address that they ask from.
    pub caller: Option<IpAddr>,
    /// Addresses that nothing cuts.
    pub failsafe: &'a [Cidr],
    /// Where it goes.
    pub reach: Reach,
    /// The bans in force.
    pub bans: &'a [BanRow],
    /// The allow-list in force.
    pub allow: &'a [Allow],
    /// The age of what is known about the hosts.
    pub observed_at: Option<Timestamp>,
}

impl Scene<'_> {
    /// A preview with its one step and no effects yet.
    pub(super) fn plan(&self, title: String, step: &str, cidr: Cidr, reason: &str) -> Plan {
        let step = Step {
            name: step.to_owned(),
            object: cidr.to_string(),
            reason: if reason.is_empty() { format!("asked for by {}", self.by) } else { reason.to_owned() },
            permit: PERMIT.to_owned(),
            act: serde_json::Value::Null,
        };
        Plan {
            id: String::new(),
            guard: WORD.to_owned(),
            title,
            state: PlanState::Preview,
            effects: Vec::new(),
            steps: vec![step],
            hosts: self.hosts().to_vec(),
            by: self.by.to_owned(),
            created_at: self.now,
            observed_at: self.observed_at,
            deadline: None,
            probation_s: None,
            generation: Generation::default(),
            reports: Vec::new(),
            reason: None,
        }
    }

    fn hosts(&self) -> &[HostId] {
        match &self.reach {
            Reach::ThisHost => &[],
            Reach::Fleet(hosts) | Reach::Hosts(hosts) => hosts,
        }
    }

    /// An effect on all hosts that are touched.
    pub(super) fn effect(&self, kind: EffectKind, severity: Severity, sentence: String) -> Effect {
        Effect { kind, severity, sentence, hosts: self.hosts().to_vec() }
    }

    /// The hosts that are touched, in words.
    pub(super) fn places(&self) -> String {
        match &self.reach {
            Reach::ThisHost => "this host".to_owned(),
            Reach::Fleet(hosts) if hosts.is_empty() => "any host (none has joined yet)".to_owned(),
            Reach::Fleet(hosts) | Reach::Hosts(hosts) if hosts.len() == 1 => "1 host".to_owned(),
            Reach::Fleet(hosts) | Reach::Hosts(hosts) => format!("{} hosts", hosts.len()),
        }
    }

    /// True if the ban stands where the change goes.
    pub(super) fn touches(&self, row: &BanRow) -> bool {
        match (&self.reach, &row.host) {
            (Reach::Hosts(hosts), Some(host)) => hosts.contains(host),
            _ => true,
        }
    }

    /// Bans of wider networks.
    pub(super) fn covering(&self, cidr: Cidr) -> Vec<&BanRow> {
        let wider = |c: Cidr| c != cidr && c.contains(cidr.network()) && c.contains(cidr.last());
        self.bans.iter().filter(|row| wider(row.ban.cidr) && self.touches(row)).collect()
    }
}

/// The word that the host's permit file must hold.
const PERMIT: &str = "ban";

/// An address, or a network and how many it holds.
pub(super) fn named(cidr: Cidr) -> String {
    match cidr.network() {
        IpAddr::V4(_) if !cidr.is_address() => format!("{cidr} ({} addresses)", 1_u64 << (32 - cidr.prefix_len())),
        _ => cidr.to_string(),
    }
}

/// The first few, and how many more.
pub(super) fn listed(cidrs: &[Cidr]) -> String {
    let named: Vec<String> = cidrs.iter().take(NAMED_MAX).map(Cidr::to_string).collect();
    let more = cidrs.len().saturating_sub(NAMED_MAX);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// `until 14:03 UTC`, with the day if it is another one.
pub(crate) fn end_said(end: Option<Timestamp>, now: Timestamp) -> String {
    let Some(end) = end else { return "until it is released".to_owned() };
    let day = |t: Timestamp| t.strftime("%Y-%m-%d").to_string();
    let form = if day(end) == day(now) { "until %H:%M UTC" } else { "until %Y-%m-%d %H:%M UTC" };
    end.strftime(form).to_string()
}

/// Spans are at most ten years, so that this cannot leave the calendar before the year 9989.
pub(crate) fn after(now: Timestamp, seconds: u64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds as i64)).unwrap_or(Timestamp::MAX)
}
