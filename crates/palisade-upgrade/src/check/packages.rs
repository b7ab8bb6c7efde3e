//! Judges packages: what waits, what is held, what is half installed.

use super::{FINDINGS_MAX, HALF_CONFIGURED, HELD, SECURITY_PENDING, UPDATES_PENDING};
use crate::model::{Observed, Pending, UpgradeState};
use palisade_core::{Check, Fix, Verdicts};
use std::collections::BTreeMap;

/// How many packages a command or an evidence names.
const NAMED_MAX: usize = 30;

pub(super) fn security_pending(observed: &Observed, verdicts: &mut Verdicts) {
    verdicts.pass(&SECURITY_PENDING);
    unread_lists(&SECURITY_PENDING, &observed.state, verdicts);
    let mut by_source: BTreeMap<&str, Vec<&Pending>> = BTreeMap::new();
    for pending in observed.pending.iter().filter(|p| p.security) {
        by_source.entry(pending.source.as_str()).or_default().push(pending);
    }
    let fix = |packages: &[&Pending]| {
        let command = format!("apt-get install --only-upgrade {}", names(packages));
        Fix::command("Install the update; services that use it are restarted by most packages.", command)
    };
    for (source, packages) in by_source.iter().take(FINDINGS_MAX) {
        let held = if packages.iter().any(|p| p.held) { "; held back, see the finding about it" } else { "" };
        let evidence = format!("{}, from {}{held}", versions(packages, NAMED_MAX), packages[0].archive);
        verdicts.fail(&SECURITY_PENDING, *source, evidence, fix(packages));
    }
    if by_source.len() > FINDINGS_MAX {
        let evidence =
            format!("{} more source packages have security updates that wait", by_source.len() - FINDINGS_MAX);
        verdicts.fail(
            &SECURITY_PENDING,
            "more packages",
            evidence,
            Fix::command("Install all updates.", "apt-get upgrade"),
        );
    }
}

pub(super) fn updates_pending(observed: &Observed, verdicts: &mut Verdicts) {
    verdicts.pass(&UPDATES_PENDING);
    unread_lists(&UPDATES_PENDING, &observed.state, verdicts);
    let plain: Vec<&Pending> = observed.pending.iter().filter(|p| !p.security).collect();
    if plain.is_empty() {
        return;
    }
    let phased = plain.iter().filter(|p| p.phased_percent.is_some()).count();
    let phased =
        if phased > 0 { format!("; {phased} of them reach hosts in phases, apt may wait") } else { String::new() };
    let evidence = format!("{} packages: {}{phased}{}", plain.len(), versions(&plain, 5), pins(&observed.state));
    verdicts.fail(
        &UPDATES_PENDING,
        "packages",
        evidence,
        Fix::command("Install the updates in the next window.", "apt-get upgrade"),
    );
}

fn pins(state: &UpgradeState) -> String {
    let pins = state.pins.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if pins.is_empty() { pins } else { format!("; pins in {pins} are not evaluated") }
}

/// Lists that cannot be read may hold updates that are not seen.
fn unread_lists(check: &Check, state: &UpgradeState, verdicts: &mut Verdicts) {
    if let Some(first) = state.lists.unread.first() {
        verdicts
            .unknown(check, format!("{} package lists could not be read, such as {first}", state.lists.unread.len()));
    } else if state.lists.count == 0 {
        verdicts.unknown(check, "there are no package lists: run `apt-get update`");
    }
}

pub(super) fn held(observed: &Observed, verdicts: &mut Verdicts) {
    verdicts.fail_each(&HELD, observed.state.held.iter().take(FINDINGS_MAX), |held| {
        let name = held.split(' ').next().unwrap_or(held);
        let update = observed.pending.iter().find(|p| p.name == name).map(|p| format!("; {} waits", p.candidate));
        let evidence = format!("{held} has the selection state hold{}", update.unwrap_or_default());
        let fix =
            Fix::command("Release it if the reason for holding it back is gone.", format!("apt-mark unhold {name}"));
        (name.to_owned(), evidence, fix)
    });
}

pub(super) fn half_configured(state: &UpgradeState, verdicts: &mut Verdicts) {
    verdicts.fail_each(&HALF_CONFIGURED, state.half_configured.iter().take(FINDINGS_MAX), |half| {
        let evidence = format!("{} {}: {}", half.name, half.version, half.state);
        let fix = match half.state.as_str() {
            "half-configured" | "unpacked" => Fix::command("End the installation.", "dpkg --configure --pending"),
            _ => Fix::command("Install it again.", format!("apt-get install --reinstall {}", half.name)),
        };
        (half.name.clone(), evidence, fix)
    });
}

/// `openssl 3.0.14-1 → 3.0.15-1, libssl3 …`
fn versions(packages: &[&Pending], max: usize) -> String {
    let said: Vec<String> =
        packages.iter().take(max).map(|p| format!("{} {} → {}", p.name, p.installed, p.candidate)).collect();
    let more = packages.len().saturating_sub(max);
    if more > 0 { format!("{} and {more} more", said.join(", ")) } else { said.join(", ") }
}

fn names(packages: &[&Pending]) -> String {
    let mut names: Vec<&str> = packages.iter().take(NAMED_MAX).map(|p| p.name.as_str()).collect();
    names.dedup();
    names.join(" ")
}
