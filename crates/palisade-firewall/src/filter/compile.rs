//! From a filter to a program. Pure.
//!
//! Each direction gets a chain per protocol; in it a map leads from the port to the chain of the rules
//! that apply to that port ([`form`]), and there, where many rules ask for addresses only, a map leads
//! from the address to the rule that decides ([`body`]). So the time per packet does not grow with the
//! number of rules. What a rule does with a packet stands in one chain of its own, `do/ID`.
//!
//! The chains depend on the rules and not on who is in their sets, so that a change of membership
//! changes elements of sets and maps only; but a map of addresses that would grow beyond its share of
//! [`ELEMENTS_MAX`] gives way to lines. Ends of rules are not looked at: [`Filter::at`] leaves out what
//! has ended.
//!
//! Chains of [`Side::Reply`](super::program::Side) are there only where a rule names an interface;
//! their names begin with [`IN_REPLY`] or [`OUT_REPLY`].

mod body;
mod form;

use super::program::{Act, Chain, Family, IN, IN_REPLY, Line, Match, OUT, OUT_REPLY, PortMap, Program, Set};
use super::segment::Spoken;
use super::sweep::{Sets, Space};
use super::{Filter, Rule};
use crate::group::model::{Action, Direction};
use form::Form;
use std::collections::{BTreeSet, HashSet};

/// The most lines of a program; a filter that would need more because its port ranges overlap is
/// compiled to fewer, slower ones, which ask for the port in turn.
pub const LINES_MAX: usize = 20_000;
/// The most elements of all maps of addresses together.
pub const ELEMENTS_MAX: usize = 200_000;

/// The chain of the default.
const DEFAULT_IN: &str = "default/in";
const DEFAULT_OUT: &str = "default/out";

/// The program of `filter`; empty if it filters nothing.
pub fn compile(filter: &Filter) -> Program {
    let Some(defaults) = filter.defaults else { return Program::default() };
    let parts: Vec<Part<'_>> = [Direction::In, Direction::Out].map(|d| Part::new(filter, d)).into();
    let runs = parts.iter().flat_map(|part| &part.forms).map(|(spoken, form)| body::runs_of(form, *spoken)).sum();
    let mut build = Build {
        sets: Sets::new(filter),
        program: Program::default(),
        made: HashSet::new(),
        sets_used: BTreeSet::new(),
        elements_max: body::share(runs),
    };
    let ids = filter.rules.iter().map(|rule| rule.id.clone());
    build.program.counters = ids.chain([DEFAULT_IN.to_owned(), DEFAULT_OUT.to_owned()]).collect();
    for part in &parts {
        let default = defaults.of(part.direction);
        if part.direction == Direction::Out && default == Action::Allow && part.rules_none() {
            build.open(OUT, OUT_REPLY);
        } else {
            build.part(part, default);
        }
    }
    build.finish()
}

/// One direction.
struct Part<'a> {
    direction: Direction,
    forms: Vec<(Spoken, Form<'a>)>,
}

impl<'a> Part<'a> {
    fn new(filter: &'a Filter, direction: Direction) -> Part<'a> {
        let rules: Vec<&Rule> = filter.rules.iter().filter(|rule| rule.direction == direction).collect();
        Part { direction, forms: Spoken::ALL.map(|spoken| (spoken, Form::new(&rules, spoken))).into() }
    }

    fn rules_none(&self) -> bool {
        self.forms.iter().all(|(_, form)| form.is_empty())
    }
}

/// The names of the chains of one direction and side.
#[derive(Clone, Copy)]
struct Names {
    entry: &'static str,
    /// Of the other side, where chains are the same on both.
    shared: &'static str,
    default: &'static str,
}

const NAMES_IN: Names = Names { entry: IN, shared: IN, default: DEFAULT_IN };
const NAMES_OUT: Names = Names { entry: OUT, shared: OUT, default: DEFAULT_OUT };

struct Build<'a> {
    sets: Sets<'a>,
    program: Program,
    made: HashSet<String>,
    sets_used: BTreeSet<&'a str>,
    elements_max: usize,
}

impl<'a> Build<'a> {
    /// Everything goes on, without a mark.
    fn open(&mut self, entry: &str, reply: &str) {
        for name in [entry, reply] {
            self.chain(name.to_owned(), vec![Line { matches: Vec::new(), acts: vec![Act::Accept] }]);
        }
    }

    fn part(&mut self, part: &Part<'a>, default: Action) {
        let (original, reply) = match part.direction {
            Direction::In => (NAMES_IN, IN_REPLY),
            Direction::Out => (NAMES_OUT, OUT_REPLY),
        };
        self.chain(original.default.to_owned(), vec![decided(original.default, default, default == Action::Deny)]);
        self.entry(part, original, vec![stamped()]);
        // the type of an ICMP answer is its own, not that of the question: what is asked decides
        let icmp = [icmp(Family::V4), icmp(Family::V6)].map(|matches| Line { matches, acts: vec![Act::Accept] });
        let answers = std::iter::once(stamped()).chain(icmp).collect();
        if part.forms.iter().any(|(_, form)| form.names_interfaces()) {
            self.entry(part, Names { entry: reply, ..original }, answers);
        } else {
            let on = Line { matches: Vec::new(), acts: vec![Act::Goto(original.entry.to_owned())] };
            self.chain(reply.to_owned(), answers.into_iter().chain([on]).collect());
        }
    }

    /// From the protocol to its chain; what has none of its own goes where all others go.
    fn entry(&mut self, part: &Part<'a>, names: Names, first: Vec<Line>) {
        let mut lines = first;
        let Some((_, rest)) = part.forms.last() else { return };
        let answers_icmp = names.entry != names.shared;
        for (spoken, form) in &part.forms {
            let elsewhere = *spoken != Spoken::Other && form.same_lines_as(rest);
            if elsewhere || (answers_icmp && spoken.family().is_some()) {
                continue;
            }
            let chain = self.protocol(*spoken, form, names);
            lines.push(Line { matches: dispatch(*spoken), acts: vec![Act::Goto(chain)] });
        }
        self.chain(names.entry.to_owned(), lines);
    }

    /// The chain of a protocol, with all that it leads to.
    fn protocol(&mut self, spoken: Spoken, form: &Form<'a>, names: Names) -> String {
        let side = if form.names_interfaces() { names.entry } else { names.shared };
        let name = format!("{side}/{}", word(spoken));
        if self.made.contains(&name) {
            return name;
        }
        let shared = format!("{}/{}", names.shared, word(spoken));
        let mut lines = Vec::new();
        if let Form::Buckets { buckets, .. } = form {
            let mut entries = Vec::new();
            for bucket in buckets {
                let own = format!("/{}", bucket.ports[0].first);
                let chain = if bucket.names_interfaces() { name.clone() } else { shared.clone() } + &own;
                if !self.made.contains(&chain) {
                    let lines = self.body(&bucket.rules, spoken, &format!("{shared}{own}"), names.default);
                    self.chain(chain.clone(), lines);
                }
                entries.extend(bucket.ports.iter().map(|ports| (ports.first, ports.last, chain.clone())));
            }
            entries.sort_unstable();
            lines.extend(self.by_number(spoken, &name, entries));
        }
        lines.extend(match form {
            Form::Buckets { rest, .. } => self.body(rest, spoken, &shared, names.default),
            Form::InTurn { rules } => self.in_turn(rules, spoken, names.default),
        });
        self.chain(name.clone(), lines);
        name
    }

    /// Lines that lead from ports, or types of ICMP, to chains.
    fn by_number(&mut self, spoken: Spoken, chain: &str, entries: Vec<(u16, u16, String)>) -> Vec<Line> {
        if entries.is_empty() {
            return Vec::new();
        }
        if spoken.family().is_some() {
            let types =
                entries.into_iter().flat_map(|(first, last, chain)| (first..=last).map(move |t| (t, chain.clone())));
            let line = |(kind, chain): (u16, String)| Line {
                matches: u8::try_from(kind).map(Match::IcmpType).into_iter().collect(),
                acts: vec![Act::Goto(chain)],
            };
            return types.map(line).collect();
        }
        let name = format!("{chain}/ports");
        self.program.port_maps.push(PortMap { name: name.clone(), entries });
        vec![Line { matches: Vec::new(), acts: vec![Act::ByPort(name)] }]
    }

    /// The chain of what a rule does with its packets.
    fn act(&mut self, rule: &Rule) -> String {
        let name = format!("do/{}", rule.id);
        if !self.made.contains(&name) {
            self.chain(name.clone(), vec![decided(&rule.id, rule.action, rule.log || rule.action == Action::Deny)]);
        }
        name
    }

    fn chain(&mut self, name: String, lines: Vec<Line>) {
        self.made.insert(name.clone());
        self.program.chains.push(Chain { name, lines });
    }

    fn finish(mut self) -> Program {
        for name in std::mem::take(&mut self.sets_used) {
            let space = Space::of(self.sets.ranges(name));
            for (family, which) in [Family::V4, Family::V6].into_iter().zip(0..) {
                let ranges = space.clone().family(which).ranges();
                self.program.sets.push(Set { name: set_name(name, family), family, ranges });
            }
        }
        self.program
    }
}

/// What ends the way of a packet.
fn decided(id: &str, action: Action, log: bool) -> Line {
    let log = log.then(|| Act::Log { rule: id.to_owned(), denied: action == Action::Deny });
    let end = match action {
        Action::Allow => vec![Act::Stamp, Act::Accept],
        Action::Deny => vec![Act::Drop],
    };
    Line { matches: Vec::new(), acts: std::iter::once(Act::Count(id.to_owned())).chain(log).chain(end).collect() }
}

fn stamped() -> Line {
    Line { matches: vec![Match::Stamped], acts: vec![Act::Accept] }
}

fn set_name(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{name}/4"),
        Family::V6 => format!("{name}/6"),
    }
}

fn word(spoken: Spoken) -> &'static str {
    match spoken {
        Spoken::Tcp => "tcp",
        Spoken::Udp => "udp",
        Spoken::Icmp => "icmp",
        Spoken::Icmpv6 => "icmpv6",
        Spoken::Gre => "gre",
        Spoken::Other => "other",
    }
}

/// The protocol by its number (IANA); ICMP in its own family only.
fn dispatch(spoken: Spoken) -> Vec<Match> {
    match spoken {
        Spoken::Tcp => vec![Match::Protocol(6)],
        Spoken::Udp => vec![Match::Protocol(17)],
        Spoken::Icmp => icmp(Family::V4),
        Spoken::Icmpv6 => icmp(Family::V6),
        Spoken::Gre => vec![Match::Protocol(47)],
        Spoken::Other => Vec::new(),
    }
}

fn icmp(family: Family) -> Vec<Match> {
    let number = if family == Family::V4 { 1 } else { 58 };
    vec![Match::Protocol(number), Match::Family(family)]
}
