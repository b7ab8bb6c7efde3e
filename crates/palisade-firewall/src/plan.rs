//! From what should be and what is to the steps in between. Pure.

mod diff;
mod filter;
mod wanted;

pub use diff::{Diff, MISSING_MARGIN_MS, TOLERANCE_MS, diff};
pub use filter::{Compile, Wish, latest, layout, wish};
pub use wanted::wanted;

use crate::apply::Act;
use crate::filter::compile::compile;
use crate::ruleset::{BANS_MAX, Content, Held, Present, RANGES_MAX, Range, Structure, Uncut, Until};
use crate::spec::{Allow, Ban, Spec};
use palisade_core::{Cidr, Step, Timestamp};
use palisade_guard::GuardError;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

/// The most addresses that one step carries: about 8 MB as text, 12 MB to the kernel.
pub const ADDRESSES_PER_STEP: usize = 250_000;
/// The word of the host's permit file that bans need.
const BAN: &str = "ban";
/// The shortest prefix of a banned network; a shorter one is a mistake or an attack.
const PREFIX_MIN: [u8; 2] = [8, 16];

/// Why this address or network may not be banned, if it may not. The one check that the API, the
/// local API and the keeper make before every ban.
///
/// A network that contains an allowed address may be banned: the allowed one still gets through.
pub fn refuse(cidr: Cidr, failsafe: &[Cidr], allow: &[Allow], now: Timestamp) -> Option<String> {
    let v4 = cidr.network().is_ipv4();
    let shortest = if v4 { PREFIX_MIN[0] } else { PREFIX_MIN[1] };
    if cidr.prefix_len() < shortest {
        return Some(format!("`{cidr}` is larger than /{shortest}, the largest network that can be banned"));
    }
    if cidr.network().is_loopback() {
        return Some(format!("`{cidr}` is loopback, which is always let in"));
    }
    if let Some(safe) = failsafe.iter().find(|safe| safe.overlaps(cidr)) {
        return Some(format!("`{cidr}` would cut `{safe}`, which must always reach this host (failsafe)"));
    }
    let held = allow.iter().find(|a| cidr.is_address() && a.cidr.overlaps(cidr) && !ended(a.ends_at, now))?;
    Some(format!("`{cidr}` is on the allow-list: `{}` ({}); remove that entry first", held.cidr, held.reason))
}

/// True if `cidr` shares an address with one of `others`.
pub fn overlaps_any(cidr: Cidr, others: &[Cidr]) -> bool {
    others.iter().any(|other| other.overlaps(cidr))
}

fn ended(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| end <= now)
}

/// The steps from `present` to what the two specs ask for; empty when the host is as it should be.
/// An untouched host stays untouched until something is to be banned.
pub fn plan(
    server: &Spec,
    local: &Spec,
    failsafe: &[Cidr],
    present: &Present,
    now: Timestamp,
) -> Result<Vec<Step>, GuardError> {
    let wish = Wish { uncut: Uncut::everywhere(failsafe), ..wish(server, local, now) };
    let filter = Filtering { wish, last: 0, compile: &mut |f| Arc::new(compile(f)) };
    steps(wanted(server, local, failsafe, now), filter, &[server, local], present, now)
}

/// The filter's part of what [`steps`] needs.
pub struct Filtering<'a, 'b> {
    /// What should be in force.
    pub wish: Wish,
    /// The last number of a generation that is known to have been in use.
    pub last: u16,
    /// Makes programs.
    pub compile: &'a mut Compile<'b>,
}

/// As [`plan`], with [`wanted`] already worked out from `specs`, which give the reasons. Bans come
/// first: they are kept on a host that permits nothing else.
pub fn steps(
    wanted: Content,
    filter: Filtering<'_, '_>,
    specs: &[&Spec],
    present: &Present,
    now: Timestamp,
) -> Result<Vec<Step>, GuardError> {
    within_limits(&wanted)?;
    let Filtering { wish, last, compile } = filter;
    let filters = wish.filter.is_some() || wish.trial.is_some();
    let filtered = !present.held.layout.chains.is_empty();
    let bans = !wanted.bans.is_empty() || !wanted.networks.is_empty();
    let anew = |what: &str, content: Content| {
        let target = filter::whole(&wish, &present.held, last);
        let (object, act) = ("inet palisade".to_owned(), Act::ReplaceWhole { content, target });
        vec![NewStep { name: "ReplaceTable", object, reason: what.to_owned(), permit: "firewall", act }]
    };
    let mut steps = match &present.structure {
        Structure::Absent if filters && !bans => anew("the table is not there", wanted),
        // in one piece: what filters must not be gone for a moment because the bans were disturbed
        Structure::Different(what) if filters && filtered => anew(what, wanted),
        Structure::Absent if !bans => Vec::new(),
        Structure::Absent => create("CreateTable", "the table is not there".to_owned(), wanted),
        Structure::Different(what) => create("ReplaceTable", what.clone(), wanted),
        Structure::Orphaned => {
            let mut steps = vec![take_up()];
            steps.extend(mend(&wanted, &present.content, specs, now.as_millisecond()));
            steps
        }
        Structure::Sound => mend(&wanted, &present.content, specs, now.as_millisecond()),
    };
    if !steps.iter().any(|step| matches!(step.act, Act::ReplaceWhole { .. })) {
        let gone = Held::default();
        let stands = matches!(present.structure, Structure::Sound | Structure::Orphaned);
        let held = if stands { &present.held } else { &gone };
        steps.extend(filter::step(&wish, held, last, now, compile)?);
    }
    steps.into_iter().map(NewStep::finish).collect()
}

/// The steps of the acts that put a part of the feed in force.
pub fn feed_steps(acts: Vec<Act>) -> Result<Vec<Step>, GuardError> {
    let step = |act: Act| {
        let (name, object) = match &act {
            Act::AddBans(bans) => ("AddBan", named(bans.iter().map(|(address, _)| *address), "addresses")),
            Act::ChangeBans(bans) => ("ChangeBan", named(bans.iter().map(|(address, _)| *address), "addresses")),
            Act::RemoveBans(bans) => ("RemoveBan", named(bans.iter(), "addresses")),
            Act::SetBanNetworks(networks) => ("SetBanNetworks", named(keys(networks), "networks")),
            _ => ("ReplaceTable", "inet palisade".to_owned()),
        };
        NewStep { name, object, reason: "asked for by the feed".to_owned(), act, permit: BAN }.finish()
    };
    acts.into_iter().map(step).collect()
}

/// What does not fit is refused as a whole: the kernel keeps what it has.
fn within_limits(wanted: &Content) -> Result<(), GuardError> {
    let v4 = wanted.bans.partition_point(|(address, _)| address.is_ipv4());
    let counts = [
        ("addresses are to be banned", v4.max(wanted.bans.len() - v4), BANS_MAX as usize),
        ("networks are to be banned", wanted.networks.len(), RANGES_MAX),
        ("networks are to be allowed", wanted.allow.len(), RANGES_MAX),
    ];
    match counts.into_iter().find(|(_, count, max)| count > max) {
        Some((what, count, max)) => Err(GuardError::Refused(format!("{count} {what}; at most {max} can be"))),
        None => Ok(()),
    }
}

struct NewStep {
    name: &'static str,
    object: String,
    reason: String,
    permit: &'static str,
    act: Act,
}

impl NewStep {
    fn finish(self) -> Result<Step, GuardError> {
        let encode = |source| GuardError::Decode { what: "step", guard: "firewall", source };
        let act = serde_json::to_value(&self.act).map_err(encode)?;
        let NewStep { name, object, reason, permit, .. } = self;
        Ok(Step { name: name.to_owned(), object, reason, permit: permit.to_owned(), act })
    }
}

fn create(name: &'static str, reason: String, mut wanted: Content) -> Vec<NewStep> {
    let later = wanted.bans.split_off(wanted.bans.len().min(ADDRESSES_PER_STEP));
    let act = Act::ReplaceTable(wanted);
    let mut steps = vec![NewStep { name, object: "inet palisade".to_owned(), reason, permit: BAN, act }];
    steps.extend(in_parts("AddBan", &later, |_| "banned by the spec".to_owned(), Act::AddBans));
    steps
}

fn take_up() -> NewStep {
    let reason = "its owner has ended, and nobody has changed it since".to_owned();
    NewStep { name: "OwnTable", object: "inet palisade".to_owned(), reason, permit: BAN, act: Act::OwnTable }
}

/// What protects comes first, so that an interruption never leaves a ban without its exception.
fn mend(wanted: &Content, is: &Content, specs: &[&Spec], now_ms: i64) -> Vec<NewStep> {
    let mut steps = Vec::new();
    if wanted.failsafe != is.failsafe {
        let reason = "the addresses that must never be cut have changed".to_owned();
        let act = Act::SetFailsafe(wanted.failsafe.clone());
        steps.push(NewStep {
            name: "SetFailsafe",
            object: named(wanted.failsafe.iter(), "networks"),
            reason,
            permit: BAN,
            act,
        });
    }
    if !diff(&is.allow, &wanted.allow, now_ms).is_empty() {
        let reason = "the allow-list in the kernel differs".to_owned();
        let act = Act::SetAllow(wanted.allow.clone());
        steps.push(NewStep {
            name: "SetAllow",
            object: named(keys(&wanted.allow), "networks"),
            reason,
            permit: BAN,
            act,
        });
    }
    let bans = diff(&is.bans, &wanted.bans, now_ms);
    let gone = |_: &[IpAddr]| "no longer banned: ended, released or rolled back".to_owned();
    steps.extend(in_parts("RemoveBan", &bans.remove, gone, Act::RemoveBans));
    steps.extend(in_parts("ChangeBan", &bans.retime, |_| "its end has changed".to_owned(), Act::ChangeBans));
    steps.extend(in_parts("AddBan", &bans.add, |part| why(part, specs), Act::AddBans));
    if !diff(&is.networks, &wanted.networks, now_ms).is_empty() {
        let reason = "the banned networks in the kernel differ".to_owned();
        let act = Act::SetBanNetworks(wanted.networks.clone());
        steps.push(NewStep {
            name: "SetBanNetworks",
            object: named(keys(&wanted.networks), "networks"),
            reason,
            permit: BAN,
            act,
        });
    }
    steps
}

fn in_parts<T: Clone + Addressed>(
    name: &'static str,
    list: &[T],
    reason: impl Fn(&[T]) -> String,
    act: impl Fn(Vec<T>) -> Act,
) -> Vec<NewStep> {
    let step = |part: &[T]| NewStep {
        name,
        object: named(part.iter().map(Addressed::address), "addresses"),
        reason: reason(part),
        permit: BAN,
        act: act(part.to_vec()),
    };
    list.chunks(ADDRESSES_PER_STEP).map(step).collect()
}

/// What a list of addresses is made of.
trait Addressed {
    fn address(&self) -> IpAddr;
}

impl Addressed for IpAddr {
    fn address(&self) -> IpAddr {
        *self
    }
}

impl Addressed for (IpAddr, Until) {
    fn address(&self) -> IpAddr {
        self.0
    }
}

fn keys(list: &[(Range, Until)]) -> impl ExactSizeIterator<Item = &Range> {
    list.iter().map(|(range, _)| range)
}

/// The one thing itself, or how many there are.
fn named<T: Display>(mut list: impl ExactSizeIterator<Item = T>, word: &str) -> String {
    match (list.len(), list.next()) {
        (1, Some(only)) => only.to_string(),
        (0, _) => format!("no {word}"),
        (count, _) => format!("{} {word}", grouped(count)),
    }
}

/// 1204 as 1,204.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Why a single address is banned, as the spec says it; for many it would be too long.
fn why(part: &[(IpAddr, Until)], specs: &[&Spec]) -> String {
    let [(address, _)] = part else { return "banned by the spec".to_owned() };
    let cidr = Cidr::from(*address);
    let mut bans = specs.iter().flat_map(|spec| &spec.bans);
    let said = |ban: &Ban| format!("{} (asked for by {})", ban.reason, ban.by);
    bans.find(|ban| ban.cidr == cidr).map_or_else(|| "banned by the spec".to_owned(), said)
}
