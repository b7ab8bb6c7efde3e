//! What the tests against a real kernel share: a keeper in a namespace of the test's own.

use jiff::Timestamp;
use palisade_core::{Cidr, Step};
use palisade_firewall::apply::Act;
use palisade_firewall::keep::Firewall;
use palisade_firewall::spec::{Allow, Ban, Spec};
use palisade_guard::Keep;
use palisade_sandbox::{enter_netns, is_isolated, run};
use std::time::Duration;

/// Enters new namespaces; false (after saying why) when the test has to be skipped.
pub fn entered() -> bool {
    match enter_netns().and_then(|()| run("nft", &["list", "ruleset"]).map(|_| ())) {
        Ok(()) => true,
        Err(why) => {
            println!("skipped: {why}");
            false
        }
    }
}

/// A keeper for the test's own namespace.
pub fn firewall(failsafe: &[&str]) -> Firewall {
    assert!(is_isolated(), "rules are applied in namespaces of the test's own only");
    Firewall::new(failsafe.iter().map(|text| cidr(text)).collect()).unwrap()
}

pub fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

pub fn ban(text: &str, lasts: Option<Duration>) -> Ban {
    let since = Timestamp::now();
    let ends_at = lasts.map(|lasts| since + lasts);
    let (reason, by) = ("scanned us".to_owned(), "ann".to_owned());
    Ban { cidr: cidr(text), reason, by, since, ends_at, probation_until: None, plan: None }
}

pub fn allow(text: &str) -> Allow {
    let (reason, by) = ("office".to_owned(), "ann".to_owned());
    Allow { cidr: cidr(text), reason, by, since: Timestamp::now(), ends_at: None }
}

pub fn bans(list: impl IntoIterator<Item = Ban>) -> Spec {
    Spec { bans: list.into_iter().collect(), ..Spec::default() }
}

/// One address of 10.0.0.0/8 per number.
pub fn numbered(n: u32) -> String {
    std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string()
}

pub fn hours(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n * 3_600))
}

pub fn plan(firewall: &Firewall, spec: &Spec) -> Vec<Step> {
    firewall.plan(spec, &Spec::default(), Timestamp::now()).unwrap()
}

pub fn act(step: &Step) -> Act {
    serde_json::from_value(step.act.clone()).unwrap()
}

/// Applies what the spec asks for, and demands that nothing is left to do. Returns the step names.
pub fn converge(firewall: &Firewall, spec: &Spec) -> Vec<String> {
    let steps = plan(firewall, spec);
    for step in &steps {
        firewall.apply(&act(step), Timestamp::now()).unwrap();
    }
    let left = plan(firewall, spec);
    assert!(left.is_empty(), "left to do: {left:?}");
    steps.into_iter().map(|step| step.name).collect()
}

/// Runs `nft` with these words, in the test's own namespace.
pub fn nft(command: &str) -> String {
    run("nft", &command.split_whitespace().collect::<Vec<_>>()).unwrap()
}
