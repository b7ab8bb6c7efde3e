//! How the rules about one protocol are laid out: by segments of ports, or in turn.

use super::LINES_MAX;
use crate::filter::segment::{Spoken, segments};
use crate::filter::{Peers, Rule};
use crate::group::model::Ports;
use std::collections::HashMap;

/// The most lines that one protocol in one direction may take by segments of ports; there are four
/// that have ports.
const PART_LINES_MAX: usize = LINES_MAX / 4;

/// The rules about one protocol in one direction.
pub(super) enum Form<'a> {
    /// Ports, or types of ICMP, lead to buckets; the rest applies to all others.
    Buckets {
        /// Where more rules apply than everywhere.
        buckets: Vec<Bucket<'a>>,
        /// Those that apply to all ports.
        rest: Vec<&'a Rule>,
    },
    /// One after the other, each asking for its ports.
    InTurn {
        /// With the ports that they are about.
        rules: Vec<(&'a Rule, Vec<Ports>)>,
    },
}

/// Ports to which the same rules apply.
pub(super) struct Bucket<'a> {
    /// Sorted, never empty.
    pub(super) ports: Vec<Ports>,
    /// In order.
    pub(super) rules: Vec<&'a Rule>,
}

impl Bucket<'_> {
    pub(super) fn names_interfaces(&self) -> bool {
        self.rules.iter().any(|rule| names_interface(rule))
    }
}

impl<'a> Form<'a> {
    /// By segments if that is not too many lines.
    pub(super) fn new(rules: &[&'a Rule], spoken: Spoken) -> Form<'a> {
        let about: Vec<(&Rule, Vec<Ports>)> =
            rules.iter().map(|rule| (*rule, spoken.said_by(rule))).filter(|(_, ports)| !ports.is_empty()).collect();
        let in_turn: usize = about.iter().map(|(rule, ports)| lines_of(rule, spoken) * ports.len()).sum();
        let rules: Vec<&Rule> = about.iter().map(|(rule, _)| *rule).collect();
        Form::buckets(&rules, spoken, PART_LINES_MAX.max(in_turn)).unwrap_or(Form::InTurn { rules: about })
    }

    fn buckets(rules: &[&'a Rule], spoken: Spoken, lines_max: usize) -> Option<Form<'a>> {
        let everywhere = |rule: &&&Rule| spoken.said_by(rule) == [spoken.numbers()];
        let rest: Vec<&Rule> = reached(rules.iter().filter(everywhere).copied());
        let (mut lines, mut known) = (0, HashMap::<Vec<usize>, usize>::new());
        let mut buckets: Vec<Bucket<'a>> = Vec::new();
        segments(rules, spoken, |ports, places| {
            let mine: Vec<&Rule> = reached(places.iter().map(|place| rules[*place]));
            if same(&mine, &rest) {
                return true;
            }
            let next = buckets.len();
            let bucket = *known.entry(places.iter().copied().collect()).or_insert(next);
            if bucket == next {
                lines += mine.iter().map(|rule| lines_of(rule, spoken)).sum::<usize>();
                buckets.push(Bucket { ports: Vec::new(), rules: mine });
            }
            buckets[bucket].ports.push(ports);
            lines <= lines_max
        });
        (lines <= lines_max).then_some(Form::Buckets { buckets, rest })
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Form::Buckets { buckets, rest } => buckets.is_empty() && rest.is_empty(),
            Form::InTurn { rules } => rules.is_empty(),
        }
    }

    pub(super) fn names_interfaces(&self) -> bool {
        match self {
            Form::Buckets { buckets, rest } => {
                buckets.iter().any(Bucket::names_interfaces) || rest.iter().any(|rule| names_interface(rule))
            }
            Form::InTurn { rules } => rules.iter().any(|(rule, _)| names_interface(rule)),
        }
    }

    /// True if one chain does for both.
    pub(super) fn same_lines_as(&self, other: &Form<'_>) -> bool {
        match (self, other) {
            (Form::Buckets { buckets: a, rest: mine }, Form::Buckets { buckets: b, rest: theirs }) => {
                a.is_empty() && b.is_empty() && same(mine, theirs)
            }
            _ => false,
        }
    }
}

/// True if every packet matches the peers.
pub(super) fn is_for_all(rule: &Rule) -> bool {
    match &rule.peers {
        Peers::Any => true,
        Peers::Except { sets } => sets.is_empty(),
        Peers::Of { .. } => false,
    }
}

/// How many lines the peers of a rule take at most.
pub(super) fn lines_of(rule: &Rule, spoken: Spoken) -> usize {
    let families = if spoken.family().is_some() { 1 } else { 2 };
    match &rule.peers {
        _ if is_for_all(rule) => 1,
        Peers::Any => 1,
        Peers::Of { sets, interfaces } => sets.len() * families + interfaces.len(),
        Peers::Except { .. } => families,
    }
}

/// Without those after a rule that decides about everybody.
fn reached<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<&'a Rule> {
    let mut all = Vec::new();
    for rule in rules {
        all.push(rule);
        if is_for_all(rule) {
            break;
        }
    }
    all
}

/// The same rules, not equal ones: each id is there once.
fn same(a: &[&Rule], b: &[&Rule]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::ptr::eq(*a, *b))
}

fn names_interface(rule: &Rule) -> bool {
    matches!(&rule.peers, Peers::Of { interfaces, .. } if !interfaces.is_empty())
}
