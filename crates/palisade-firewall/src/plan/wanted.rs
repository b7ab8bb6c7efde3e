//! What the kernel should hold, from the two specs and the failsafe addresses.

use super::{ended, refuse};
use crate::ruleset::{Content, Range, Until, merged, ranges, subtracted};
use crate::spec::{Ban, Decision, Spec};
use palisade_core::{Cidr, Timestamp};
use std::net::IpAddr;

/// What should be in the sets at `now`:
///
/// * every ban of both specs that has not ended, to its end or the end of its probation, whichever
///   is first; if the host's operator kept its plan, to its end; if he rolled it back, not at all;
/// * without those that [`refuse`] refuses, whoever wrote them: they are never planned;
/// * without what the host's operator released of the server's bans, also as a hole in a network;
/// * where two bans cover an address, to the end of the later one.
pub fn wanted(server: &Spec, local: &Spec, failsafe: &[Cidr], now: Timestamp) -> Content {
    let released: Vec<Range> = ranges(&local.released);
    let mut bans = Vec::new();
    let mut networks = Vec::new();
    // decisions are about the server's plans; the host's own bans are changed where they stand
    for (spec, released, decisions) in [(server, released.as_slice(), Some(&local.decisions)), (local, &[], None)] {
        for ban in &spec.bans {
            let decision = ban.plan.as_ref().and_then(|plan| decisions?.get(plan));
            let Some(until) = until(ban, decision, now) else { continue };
            if refuse(ban.cidr, failsafe, &[], now).is_some() {
                continue;
            }
            let parts = subtracted(Range::from(ban.cidr), released);
            if ban.cidr.is_address() {
                bans.extend(parts.into_iter().map(|part| (part.first(), until)));
            } else {
                networks.extend(parts.into_iter().map(|part| (part, until)));
            }
        }
    }
    let allow = [server, local].into_iter().flat_map(|spec| &spec.allow).filter(|a| !ended(a.ends_at, now));
    Content {
        failsafe: ranges(failsafe),
        allow: merged(allow.map(|a| (Range::from(a.cidr), Until::of(a.ends_at)))),
        bans: latest(bans),
        networks: merged(networks),
    }
}

/// Until when a ban holds; `None` when it does not hold any more.
fn until(ban: &Ban, decision: Option<&Decision>, now: Timestamp) -> Option<Until> {
    let until = match decision {
        Some(Decision::RolledBack) => return None,
        Some(Decision::Kept) => Until::of(ban.ends_at),
        None => Until::of(ban.ends_at).min(Until::of(ban.probation_until)),
    };
    (!until.ends_by(now.as_millisecond(), 0)).then_some(until)
}

/// Sorted, each address once, to its latest end.
fn latest(mut bans: Vec<(IpAddr, Until)>) -> Vec<(IpAddr, Until)> {
    bans.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    bans.dedup_by_key(|(address, _)| *address);
    bans
}
