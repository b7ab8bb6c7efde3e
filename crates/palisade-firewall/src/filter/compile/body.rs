//! The lines of rules that apply to the same ports, in order.
//!
//! Rules in a row that ask for addresses only, with many lines between them, become one map per family
//! from the address to the rule that decides.

use super::form::{Form, is_for_all, lines_of};
use super::{Build, ELEMENTS_MAX, set_name};
use crate::filter::program::{Act, AddressMap, Family, Line, Match};
use crate::filter::segment::Spoken;
use crate::filter::sweep::{Space, range, space_of, swept};
use crate::filter::{Peers, Rule};
use crate::group::model::Ports;

/// A row of rules with more lines than these becomes a map: about as long a walk takes no longer.
const WALK_LINES_MAX: usize = 8;

/// How many rows of a form would be maps.
pub(super) fn runs_of(form: &Form<'_>, spoken: Spoken) -> usize {
    let long = |rules: &[&Rule]| rows(rules).iter().filter(|row| is_long(row, spoken)).count();
    match form {
        Form::Buckets { buckets, rest } => buckets.iter().map(|bucket| long(&bucket.rules)).sum::<usize>() + long(rest),
        Form::InTurn { .. } => 0,
    }
}

/// What each of so many maps may hold: of the same number of rows always the same, in coarse steps, so
/// that who is in the sets of one does not touch another.
pub(super) fn share(maps: usize) -> usize {
    let share = ELEMENTS_MAX / maps.max(1);
    if share == 0 { 0 } else { 1 << share.ilog2() }
}

/// Rules in a row that ask for addresses only, and single others.
fn rows<'a, 'b>(rules: &'b [&'a Rule]) -> Vec<&'b [&'a Rule]> {
    rules.chunk_by(|a, b| asks_for_addresses(a) && asks_for_addresses(b)).collect()
}

fn asks_for_addresses(rule: &Rule) -> bool {
    match &rule.peers {
        Peers::Any => false,
        Peers::Of { interfaces, .. } => interfaces.is_empty(),
        Peers::Except { sets } => !sets.is_empty(),
    }
}

fn is_long(row: &[&Rule], spoken: Spoken) -> bool {
    row.iter().map(|rule| lines_of(rule, spoken)).sum::<usize>() > WALK_LINES_MAX && asks_for_addresses(row[0])
}

impl<'a> Build<'a> {
    /// The lines of these rules; the last one decides about every packet.
    pub(super) fn body(&mut self, rules: &[&'a Rule], spoken: Spoken, name: &str, default: &str) -> Vec<Line> {
        let mut lines = Vec::new();
        for (nth, row) in rows(rules).into_iter().enumerate() {
            if is_long(row, spoken) && self.elements_of(row) <= self.elements_max {
                lines.extend(self.by_address(row, spoken, &format!("{name}/peers{nth}")));
            } else {
                row.iter().for_each(|rule| lines.extend(self.walked(rule, spoken, &[])));
            }
        }
        if !rules.last().is_some_and(|rule| is_for_all(rule)) {
            lines.push(Line { matches: Vec::new(), acts: vec![Act::Goto(default.to_owned())] });
        }
        lines
    }

    /// As [`Build::body`], where each rule asks for its ports.
    pub(super) fn in_turn(&mut self, rules: &[(&'a Rule, Vec<Ports>)], spoken: Spoken, default: &str) -> Vec<Line> {
        let mut lines = Vec::new();
        for (rule, ports) in rules {
            for ports in ports.iter().filter(|ports| **ports != spoken.numbers()) {
                let asked = match (spoken.family(), u8::try_from(ports.first)) {
                    (Some(_), Ok(kind)) => Match::IcmpType(kind),
                    _ => Match::Port(ports.first, ports.last),
                };
                lines.extend(self.walked(rule, spoken, &[asked]));
            }
            if ports.contains(&spoken.numbers()) {
                lines.extend(self.walked(rule, spoken, &[]));
            }
        }
        lines.push(Line { matches: Vec::new(), acts: vec![Act::Goto(default.to_owned())] });
        lines
    }

    /// The lines of one rule: one per set and family, one per interface.
    fn walked(&mut self, rule: &'a Rule, spoken: Spoken, asked: &[Match]) -> Vec<Line> {
        let chain = self.act(rule);
        let line = |more: Vec<Match>| {
            let matches = asked.iter().cloned().chain(more).collect();
            Line { matches, acts: vec![Act::Goto(chain.clone())] }
        };
        let peer = |set: &String, family, not| Match::Peer { family, set: set_name(set, family), not };
        match &rule.peers {
            _ if is_for_all(rule) => vec![line(Vec::new())],
            Peers::Any => Vec::new(),
            Peers::Of { sets, interfaces } => {
                self.sets_used.extend(sets.iter().map(String::as_str));
                let sets =
                    sets.iter().flat_map(|set| families(spoken).iter().map(move |family| peer(set, *family, false)));
                let interfaces = interfaces.iter().map(|name| Match::Interface(name.clone()));
                sets.chain(interfaces).map(|one| line(vec![one])).collect()
            }
            Peers::Except { sets } => {
                self.sets_used.extend(sets.iter().map(String::as_str));
                families(spoken).iter().map(|f| line(sets.iter().map(|set| peer(set, *f, true)).collect())).collect()
            }
        }
    }

    /// Two lines, one per family; who is in no set goes on with the next line.
    fn by_address(&mut self, row: &[&'a Rule], spoken: Spoken, name: &str) -> Vec<Line> {
        let chains: Vec<String> = row.iter().map(|rule| self.act(rule)).collect();
        let spaces: Vec<Space> = row.iter().map(|rule| space_of(&self.sets, &rule.peers, None)).collect();
        let decided = swept(&spaces.iter().collect::<Vec<_>>()).decided;
        let mut lines = Vec::new();
        for family in families(spoken) {
            let (map, which) = (set_name(name, *family), usize::from(*family == Family::V6));
            let entry = |(first, last, rule): &(u128, u128, usize)| {
                range(which, (*first, *last)).map(|range| (range, chains[*rule].clone()))
            };
            if self.made.insert(format!("map {map}")) {
                let entries = decided[which].iter().filter_map(entry).collect();
                self.program.address_maps.push(AddressMap { name: map.clone(), family: *family, entries });
            }
            lines.push(Line { matches: Vec::new(), acts: vec![Act::ByAddress(map)] });
        }
        lines
    }

    /// No more elements than twice the networks come of a sweep over them.
    fn elements_of(&self, row: &[&Rule]) -> usize {
        let networks = |rule: &Rule| match &rule.peers {
            Peers::Any => 1,
            Peers::Of { sets, .. } | Peers::Except { sets } => sets.iter().map(|set| self.sets.ranges(set).len()).sum(),
        };
        row.iter().map(|rule| 2 * networks(rule) + 1).sum()
    }
}

fn families(spoken: Spoken) -> &'static [Family] {
    match spoken.family() {
        Some(0) => &[Family::V4],
        Some(_) => &[Family::V6],
        None => &[Family::V4, Family::V6],
    }
}
