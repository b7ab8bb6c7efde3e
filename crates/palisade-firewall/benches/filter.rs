//! How long it takes to say what a filter reaches and to compile it: 100 and 1,000 rules over 10,000
//! networks, each rule with a port of its own, all with one port, and with ranges that overlap. Run
//! with `cargo bench -p palisade-firewall --bench filter`.

use jiff::Timestamp;
use palisade_firewall::exposure::segments;
use palisade_firewall::filter::compile::compile;
use palisade_firewall::filter::reach::{cells, difference, shadowed};
use palisade_firewall::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol};
use palisade_firewall::ruleset::Range;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const NETWORKS: u32 = 10_000;
const ROUNDS: usize = 9;

/// Which ports the rules are about.
#[derive(Clone, Copy)]
enum Shape {
    OwnPort,
    OnePort,
    Overlapping,
}

fn network(n: u32) -> Range {
    let first = 0x0a00_0000 + (n << 9);
    let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
    Range::new(address(first), address(first + 255)).expect("the ends are in order")
}

fn filter(rules: u32, shape: Shape) -> Filter {
    let each = NETWORKS / rules;
    let set = |n: u32| AddressSet {
        name: format!("rule/g/{n}"),
        // not one after the other, so that the networks of rules lie between those of others
        ranges: (0..each).map(|m| network(m * rules + n)).collect(),
    };
    let ports = |n: u32| {
        let n = u16::try_from(n).expect("few rules");
        match shape {
            Shape::OwnPort => Ports::one(1_000 + n),
            Shape::OnePort => Ports::one(443),
            Shape::Overlapping => Ports { first: 1_000 + n, last: 1_020 + n },
        }
    };
    let rule = |n: u32| Rule {
        id: format!("g/{n}"),
        layer: Layer::Group,
        priority: 50,
        direction: Direction::In,
        action: if n.is_multiple_of(3) { Action::Deny } else { Action::Allow },
        protocol: Protocol::Tcp,
        ports: vec![ports(n)],
        types: Vec::new(),
        peers: Peers::Of { sets: vec![format!("rule/g/{n}")], interfaces: Vec::new() },
        log: false,
        starts_at: None,
        ends_at: None,
    };
    let defaults = Some(Defaults { inbound: Action::Deny, outbound: Action::Allow });
    Filter { rules: (0..rules).map(rule).collect(), sets: (0..rules).map(set).collect(), defaults }
}

/// The middle one of some runs.
fn median(mut work: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[ROUNDS / 2]
}

fn main() {
    let shapes = [("own port", Shape::OwnPort), ("one port", Shape::OnePort), ("overlapping", Shape::Overlapping)];
    println!("{:<28} {:>9} {:>9} {:>11} {:>9} {:>9}", "", "compile", "reach", "difference", "shadowed", "exposure");
    for rules in [100, 1_000] {
        for (what, shape) in shapes {
            let old = filter(rules, shape);
            let mut new = old.clone();
            new.sets[0].ranges.pop();
            let ms = |took: Duration| format!("{:.2} ms", took.as_secs_f64() * 1e3);
            println!(
                "{:<28} {:>9} {:>9} {:>11} {:>9} {:>9}",
                format!("{rules} rules, {what}"),
                ms(median(|| drop(black_box(compile(&old))))),
                ms(median(|| drop(black_box(cells(&old))))),
                ms(median(|| drop(black_box(difference(&old, &new))))),
                ms(median(|| drop(black_box(shadowed(&old))))),
                ms(median(|| drop(black_box(segments(&old, Timestamp::now()))))),
            );
            let program = compile(&old);
            let lines: usize = program.chains.iter().map(|chain| chain.lines.len()).sum();
            let elements: usize = program.address_maps.iter().map(|map| map.entries.len()).sum();
            println!("{:<28} {} chains, {lines} lines, {elements} elements of maps", "", program.chains.len());
        }
    }
}
