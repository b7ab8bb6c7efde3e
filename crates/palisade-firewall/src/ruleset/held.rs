//! The filter as it is in the kernel, and which of its generations is in force.

use super::gate::{GATE_FORWARDED, GATE_IN, GATE_OUT, GATES, PROBATION};
use super::layout::{Chain, Elements, Layout};
use super::lower::STAMP;
use super::{MARK_SHIFT, NUMBER_MAX, Until, table, uncut};
use palisade_sys::SysError;
use palisade_sys::nft::{self, Expr, Key, Reader, Rule, Set, Verdict};

/// What is in the table beside the bans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Chains, sets and counters; the set `probation` without its elements.
    pub layout: Layout,
    /// Until when the kernel holds the candidate up.
    pub probation: Option<Until>,
}

/// A generation in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// `gN/` stands before its names.
    pub number: u16,
    /// Conversations that it allowed carry this.
    pub stamp: u16,
}

/// True if the filter may have a chain or set of this name.
pub fn is_name(name: &str) -> bool {
    GATES.contains(&name) || name == PROBATION || uncut::is_name(name) || number(name).is_some()
}

/// The number of the generation to which a name belongs.
pub fn number(name: &str) -> Option<u16> {
    let (number, _) = name.strip_prefix('g')?.split_once('/')?;
    number.parse().ok().filter(|n| (1..=NUMBER_MAX).contains(n))
}

impl Held {
    /// The generation that counts when no candidate does.
    pub fn confirmed(&self) -> Option<Generation> {
        self.led_to(false)
    }

    /// The generation that counts as long as it is on probation, also when that has ended.
    pub fn candidate(&self) -> Option<Generation> {
        self.led_to(true)
    }

    fn led_to(&self, trial: bool) -> Option<Generation> {
        let on_trial = Expr::In(PROBATION.to_owned());
        let gates = [GATE_IN, GATE_OUT, GATE_FORWARDED];
        let mut rules = gates.iter().filter_map(|gate| self.layout.chains.get(*gate)).flat_map(|chain| &chain.rules);
        let number = rules.find_map(|rule| match rule.last() {
            Some(Expr::Verdict(Verdict::Goto(to))) if rule.contains(&on_trial) == trial => number(to),
            _ => None,
        })?;
        self.generation(number)
    }

    fn generation(&self, number: u16) -> Option<Generation> {
        let entries = &self.layout.sets.get(&format!("g{number}/{STAMP}"))?.entries;
        let stamp = entries.iter().find_map(|entry| match entry.key {
            Key::Mark(mark) => u16::try_from(mark >> MARK_SHIFT).ok(),
            _ => None,
        })?;
        Some(Generation { number, stamp })
    }

    /// All numbers that are in use, as name or as stamp.
    pub fn numbers(&self) -> Vec<u16> {
        let names = self.layout.chains.keys().chain(self.layout.sets.keys());
        let mut numbers: Vec<u16> = names.filter_map(|name| number(name)).collect();
        numbers.dedup();
        let stamps: Vec<u16> = numbers.iter().filter_map(|n| self.generation(*n)).map(|g| g.stamp).collect();
        numbers.extend(stamps);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// Reads the filter's part, of these chains, sets and rules of the table.
pub fn read(
    reader: &mut Reader,
    chains: &[nft::Chain],
    sets: &[Set],
    rules: Vec<Rule>,
    now_ms: i64,
) -> Result<Held, SysError> {
    let mut held = Held::default();
    for chain in chains.iter().filter(|chain| is_name(&chain.name)) {
        held.layout.chains.insert(chain.name.clone(), Chain { base: chain.base.clone(), rules: Vec::new() });
    }
    for rule in rules {
        if let Some(chain) = held.layout.chains.get_mut(&rule.chain) {
            chain.rules.push(rule.exprs);
        }
    }
    for set in sets.iter().filter(|set| is_name(&set.name)) {
        let mut entries = reader.entries(&table(), set)?;
        if set.name == PROBATION {
            let left = entries.iter().filter_map(|entry| entry.expires_ms).min();
            held.probation = left.map(|left| Until::At(now_ms.saturating_add_unsigned(left)));
            entries.clear();
        }
        held.layout.sets.insert(set.name.clone(), Elements { head: set.clone(), entries });
    }
    held.layout.counters = reader.counters(&table())?.into_iter().map(|(name, ..)| name).collect();
    Ok(held)
}
