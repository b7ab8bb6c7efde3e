//! Packets in words.

use super::Class;
use crate::filter::Filter;
use crate::filter::sweep::Space;
use crate::group::model::{Direction, Ports, Protocol};
use std::collections::HashMap;
use std::fmt;

/// Networks that are written out; of more the first ones and how many more.
const NETWORKS_SHOWN_MAX: usize = 3;
/// Port ranges that are written out.
const PORTS_SHOWN_MAX: usize = 8;

/// Sets by what they hold, so that peers can be called by a name.
pub(super) struct Names(HashMap<Space, String>);

impl Names {
    /// Of the sets of these filters, the first one's before the second one's.
    pub(super) fn new(filters: &[&Filter]) -> Names {
        let mut names = HashMap::new();
        for set in filters.iter().flat_map(|filter| &filter.sets) {
            if let (Some(word), false) = (word(&set.name), set.ranges.is_empty()) {
                let networks = set.ranges.len();
                let count = if networks == 1 { "1 network".to_owned() } else { format!("{networks} networks") };
                let space = Space::of(&set.ranges);
                for one in [space.clone().family(0), space.clone().family(1), space] {
                    if !one.is_empty() {
                        names.entry(one).or_insert(format!("{word} ({count})"));
                    }
                }
            }
        }
        Names(names)
    }

    /// `list:office (3 networks)`, `0.0.0.0/0 and ::/0`, `everywhere except policy:private (4 networks)`.
    pub(super) fn who(&self, peers: &Space, protocol: Protocol) -> String {
        if let Some(name) = self.0.get(peers) {
            return name.clone();
        }
        let ranges = peers.ranges();
        let rest = match protocol {
            Protocol::Icmp => peers.complement().family(0),
            Protocol::Icmpv6 => peers.complement().family(1),
            _ => peers.complement(),
        };
        match self.0.get(&rest) {
            Some(name) if ranges.len() > 1 => format!("everywhere except {name}"),
            _ => {
                let shown: Vec<String> = ranges.iter().take(NETWORKS_SHOWN_MAX).map(ToString::to_string).collect();
                listed(&shown, ranges.len())
            }
        }
    }
}

/// The name of a set as a peer; none for networks that a rule names itself.
fn word(set: &str) -> Option<String> {
    let (kind, name) = set.split_once('/')?;
    (kind != "rule").then(|| format!("{kind}:{name}"))
}

fn listed(shown: &[String], of: usize) -> String {
    match shown {
        [a, b] if of == 2 => format!("{a} and {b}"),
        _ if of > shown.len() => format!("{} and {} more", shown.join(", "), of - shown.len()),
        _ => shown.join(", "),
    }
}

pub(super) fn sentence(class: &Class, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let towards = match class.direction {
        Direction::In => "from",
        Direction::Out => "to",
    };
    write!(f, "{} {towards} {}", what(class), class.who)?;
    class.interface.as_ref().map_or(Ok(()), |interface| write!(f, " by {interface}"))
}

fn what(class: &Class) -> String {
    let numbers = |word: &str, sign: &str, numbers: &[Ports]| {
        let shown: Vec<String> = numbers.iter().take(PORTS_SHOWN_MAX).map(ToString::to_string).collect();
        let more = numbers.len() - shown.len();
        let rest = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
        if numbers.is_empty() { format!("all of {word}") } else { format!("{word}{sign}{}{rest}", shown.join(",")) }
    };
    match class.protocol {
        Protocol::Tcp => numbers("tcp", "/", &class.ports),
        Protocol::Udp => numbers("udp", "/", &class.ports),
        Protocol::Icmp => numbers("icmp", " type ", &class.types),
        Protocol::Icmpv6 => numbers("icmpv6", " type ", &class.types),
        Protocol::Gre => "gre".to_owned(),
        Protocol::All if class.unnamed => "other protocols".to_owned(),
        Protocol::All => "everything".to_owned(),
    }
}
