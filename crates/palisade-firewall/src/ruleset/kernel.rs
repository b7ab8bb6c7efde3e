//! What is in the kernel now, compared part by part with what has to be there.

use super::held::{self, Held};
use super::{CHAIN, Content, FAMILIES, OWN, Purpose, Range, Until, chain, gate, rules, sets, table};
use palisade_core::Timestamp;
use palisade_sys::SysError;
use palisade_sys::nft::{self, Reader, Rule, Set, TABLE_OWNED, TABLE_PERSISTS, Table, intervals_of};
use std::net::IpAddr;

/// How the table stands, apart from the elements of its sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// It is not there.
    Absent,
    /// It is there and is not what it has to be; what is wrong first.
    Different(String),
    /// It is what it has to be, but its owner has gone: it can be taken up.
    Orphaned,
    /// It is what it has to be.
    Sound,
}

/// What is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// How the table stands.
    pub structure: Structure,
    /// What its sets hold; empty unless the table is sound.
    pub content: Content,
    /// The filter, as it stands beside the bans.
    pub held: Held,
}

impl Present {
    /// Looks up one banned address, and corrects what is known about it.
    pub fn reread_ban(&mut self, reader: &mut Reader, address: IpAddr, now: Timestamp) -> Result<(), SysError> {
        let found = reader.element(&table(), Purpose::Ban.set_name(address), address)?;
        let found = found.map(|e| (address, until(e.expires_ms, now.as_millisecond())));
        let bans = &mut self.content.bans;
        match (bans.binary_search_by_key(&address, |(known, _)| *known), found) {
            (Ok(place), Some(ban)) => bans[place] = ban,
            (Ok(place), None) => drop(bans.remove(place)),
            (Err(place), Some(ban)) => bans.insert(place, ban),
            (Err(_), None) => {}
        }
        Ok(())
    }
}

/// Reads the table, which nobody should own; ends of entries are moments by the clock that says `now`.
pub fn read(reader: &mut Reader, now: Timestamp) -> Result<Present, SysError> {
    read_owned(reader, None, now)
}

/// The same of a table that the socket with this port should own.
pub fn read_owned(reader: &mut Reader, owner: Option<u32>, now: Timestamp) -> Result<Present, SysError> {
    let Some(found) = reader.tables()?.into_iter().find(|t| t.name == table()) else {
        return Ok(Present { structure: Structure::Absent, content: Content::default(), held: Held::default() });
    };
    let chains: Vec<_> = reader.chains()?.into_iter().filter(|c| c.table == table()).collect();
    let (sets, rules) = (reader.sets(&table())?, reader.rules(&table())?);
    let structure = owned(&found, owner, structure(found.flags, &chains, &sets, &rules));
    let content = match structure {
        Structure::Sound | Structure::Orphaned => content(reader, now.as_millisecond())?,
        _ => Content::default(),
    };
    let held = held::read(reader, &chains, &sets, rules, now.as_millisecond())?;
    Ok(Present { structure, content, held })
}

/// The same with whom it belongs to.
fn owned(found: &Table, wanted: Option<u32>, structure: Structure) -> Structure {
    let different = |what: &str| Structure::Different(what.to_owned());
    let kept = found.flags & (TABLE_OWNED | TABLE_PERSISTS);
    match (structure, wanted) {
        (Structure::Sound, None) if kept != 0 => different("the table is one that a process owns"),
        (Structure::Sound, Some(port)) if kept & TABLE_OWNED != 0 && found.owner != Some(port) => {
            different("another process owns the table")
        }
        (Structure::Sound, Some(_)) if kept == TABLE_PERSISTS => Structure::Orphaned,
        (Structure::Sound, Some(_)) if kept != OWN => different("the table is one that everybody may change"),
        (other, _) => other,
    }
}

/// How everything stands that does not belong to the filter.
fn structure(flags: u32, chains: &[nft::Chain], sets: &[Set], rules: &[Rule]) -> Structure {
    let different = |what: &str| Structure::Different(what.to_owned());
    if flags & !(TABLE_OWNED | TABLE_PERSISTS) != 0 {
        return different("the table is dormant");
    }
    if chains.iter().filter(|c| !held::is_name(&c.name)).ne([&chain()]) {
        return different("its chains are not the one chain `bans` at prerouting");
    }
    // rules of other tools may make anonymous sets; only ours would be in our table
    let (trial, mut found): (Vec<&Set>, Vec<&Set>) = sets
        .iter()
        .filter(|s| s.name == gate::PROBATION || !held::is_name(&s.name))
        .partition(|s| s.name == gate::PROBATION);
    let mut wanted = self::sets();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    if found.into_iter().ne(&wanted) {
        return different("its sets are not the eight that belong there");
    }
    if trial.into_iter().any(|set| *set != gate::probation()) {
        return different("the set `probation` holds something else");
    }
    ban_rules(rules)
}

fn ban_rules(rules: &[Rule]) -> Structure {
    let found: Vec<&Rule> = rules.iter().filter(|rule| rule.chain == CHAIN).collect();
    let wanted = self::rules();
    for (place, rule) in wanted.iter().enumerate() {
        if !found.get(place).is_some_and(|f| f.does(rule)) {
            return Structure::Different(format!("rule {} of chain `bans` is missing or changed", place + 1));
        }
    }
    if found.len() > wanted.len() {
        return Structure::Different("chain `bans` has rules that do not belong there".to_owned());
    }
    Structure::Sound
}

fn content(reader: &mut Reader, now_ms: i64) -> Result<Content, SysError> {
    Ok(Content {
        failsafe: intervals(reader, Purpose::Failsafe, now_ms)?.into_iter().map(|(range, _)| range).collect(),
        allow: intervals(reader, Purpose::Allow, now_ms)?,
        bans: addresses(reader, now_ms)?,
        networks: intervals(reader, Purpose::BanNetwork, now_ms)?,
    })
}

fn addresses(reader: &mut Reader, now_ms: i64) -> Result<Vec<(IpAddr, Until)>, SysError> {
    let mut all = Vec::new();
    for of in FAMILIES {
        let elements = reader.elements(&table(), Purpose::Ban.set_name(of))?;
        all.extend(elements.into_iter().map(|e| (e.key, until(e.expires_ms, now_ms))));
    }
    Ok(all) // sorted: the reader sorts each family, and IPv4 is before IPv6
}

fn intervals(reader: &mut Reader, purpose: Purpose, now_ms: i64) -> Result<Vec<(Range, Until)>, SysError> {
    let mut all = Vec::new();
    for of in FAMILIES {
        let intervals = intervals_of(reader.elements(&table(), purpose.set_name(of))?);
        let ranges =
            intervals.into_iter().filter_map(|i| Some((Range::new(i.first, i.last)?, until(i.timeout_ms, now_ms))));
        all.extend(ranges);
    }
    Ok(all)
}

fn until(left_ms: Option<u64>, now_ms: i64) -> Until {
    left_ms.map_or(Until::Never, |left| Until::At(now_ms.saturating_add_unsigned(left)))
}
