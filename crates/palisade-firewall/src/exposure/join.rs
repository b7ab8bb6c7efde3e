//! Sockets and published ports of one host, joined with its rules.

use super::{ByRule, Filtering, Open, Segment, at};
use crate::model::{Listener, Listeners, Protocol, Published, Scope, scope};
use crate::services::{self, FORWARDED};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// How packets come to what serves a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ExposurePath)]
pub enum Path {
    /// To a socket of the host.
    Host,
    /// To a container, by the rules of its engine.
    Docker,
    /// To where a rule of nat sends them.
    Forwarded,
}

/// The rules of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// What the server would give it; empty if neither a group nor a policy chooses it.
    pub wanted: Vec<Segment>,
    /// What its agent says; `None` if it has said nothing.
    pub told: Option<Filtering>,
}

/// One socket or published port, and to whom it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// tcp or udp.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// The last one of a published range.
    pub port_last: u16,
    /// The address of the socket; of a published port the one that packets are sent to.
    pub address: IpAddr,
    /// From where it can be reached by that address.
    pub scope: Scope,
    /// From where the rules let packets in.
    pub by_rule: ByRule,
    /// To whom it is open in fact.
    pub open: Open,
    /// The rule that lets the widest in, or that shuts.
    pub rule: Option<String>,
    /// How packets come to it.
    pub path: Path,
    /// The mission calls the port high-risk.
    pub high_risk: bool,
    /// The database that it is, or leads to.
    pub database: Option<&'static str>,
    /// The socket; none behind a published port.
    pub listener: Option<Listener>,
    /// Where a published port leads.
    pub to: Option<String>,
}

impl Rules {
    fn wanted(&self, protocol: Protocol, port: u16) -> Option<&Segment> {
        at(&self.wanted, protocol, port)
    }

    /// What stands before a port in fact; `None` if nothing does. A host that has said nothing is taken
    /// to do what it was told.
    fn in_fact(&self, protocol: Protocol, port: u16) -> Option<&Segment> {
        match &self.told {
            Some(told) if told.filters() => at(&told.segments, protocol, port),
            Some(_) => None,
            None => self.wanted(protocol, port),
        }
    }

    /// To whom a port with this scope is open in fact, and the rule that says so.
    pub fn open(&self, scope: Scope, protocol: Protocol, port: u16) -> (Open, Option<&str>) {
        let Some(segment) = self.in_fact(protocol, port) else {
            let by_address = [(Scope::Host, Open::None), (Scope::Private, Open::Private), (Scope::World, Open::World)];
            let open = by_address.iter().find(|(s, _)| *s == scope).map_or(Open::World, |(_, open)| *open);
            return (open, None);
        };
        (Rules::left(scope, segment), Some(&segment.rule))
    }

    /// Who gets through a rule to a port with this scope.
    pub fn left(scope: Scope, segment: &Segment) -> Open {
        match scope {
            Scope::World => segment.from,
            Scope::Private if segment.private => Open::Private,
            Scope::Private | Scope::Host => Open::None,
        }
    }

    fn by_rule(&self, protocol: Protocol, port: u16) -> (ByRule, Option<&str>) {
        let wanted = self.wanted(protocol, port);
        (wanted.map_or(ByRule::Unfiltered, |s| s.from.into()), wanted.map(|s| s.rule.as_str()))
    }
}

/// Every socket of a host, and every published port that no socket of a container engine stands for.
pub fn joined(listeners: &Listeners, published: &[Published], rules: &Rules) -> Vec<Joined> {
    let engine = |l: &&Listener| l.process.as_deref().is_some_and(|p| FORWARDED.contains(&p));
    let proxied: HashSet<(Protocol, u16)> =
        listeners.sockets.iter().filter(engine).map(|l| (l.protocol, l.port)).collect();
    let mut all: Vec<Joined> = listeners.sockets.iter().map(|listener| socket(listener, published, rules)).collect();
    let alone = published.iter().filter(|p| p.port != p.port_last || !proxied.contains(&(p.protocol, p.port)));
    all.extend(alone.map(|p| forwarded(p, rules)));
    all
}

fn socket(listener: &Listener, published: &[Published], rules: &Rules) -> Joined {
    let (protocol, port, scope) = (listener.protocol, listener.port, scope(listener));
    let (open, rule) = rules.open(scope, protocol, port);
    let (by_rule, wanted) = rules.by_rule(protocol, port);
    let docker = listener.process.as_deref().is_some_and(|p| FORWARDED.contains(&p));
    let behind = published.iter().find(|p| docker && (p.protocol, p.port) == (protocol, port));
    Joined {
        protocol,
        port,
        port_last: port,
        address: listener.address,
        scope,
        by_rule,
        open,
        rule: rule.or(wanted).map(str::to_owned),
        path: if docker { Path::Docker } else { Path::Host },
        high_risk: services::is_high_risk(protocol, port),
        database: services::database(listener).or_else(|| services::database_behind(behind?)).map(|s| s.name),
        listener: Some(listener.clone()),
        to: behind.and_then(|p| p.to.clone()),
    }
}

fn forwarded(published: &Published, rules: &Rules) -> Joined {
    let (protocol, port, scope) = (published.protocol, published.port, published.scope());
    let (open, rule) = rules.open(scope, protocol, port);
    let (by_rule, wanted) = rules.by_rule(protocol, port);
    let numbers = published.port..=published.port_last;
    Joined {
        protocol,
        port,
        port_last: published.port_last,
        address: published.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        scope,
        by_rule,
        open,
        rule: rule.or(wanted).map(str::to_owned),
        path: if published.is_docker() { Path::Docker } else { Path::Forwarded },
        high_risk: numbers.into_iter().any(|port| services::is_high_risk(protocol, port)),
        database: services::database_behind(published).map(|s| s.name),
        listener: None,
        to: published.to.clone(),
    }
}
