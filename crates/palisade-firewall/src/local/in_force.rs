//! Which filter a host holds: the server's, as the host's own operator has decided about it. Pure.

use crate::filter::{Defaults, Filter, Layer, Peers, Rule};
use crate::group::model::{Action, Direction, Protocol};
use crate::spec::{Candidate, Decision, OwnIsolation, Spec};
use palisade_core::Timestamp;

/// What a host holds.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// What is confirmed.
    pub filter: Filter,
    /// What is tried in its place, until its end.
    pub candidate: Option<Candidate>,
}

impl InForce {
    /// What decides about packets at this moment.
    pub fn acting(&self) -> &Filter {
        self.candidate.as_ref().map_or(&self.filter, |candidate| &candidate.filter)
    }
}

/// The filter of both specs at `now`: a candidate that was kept here has taken the place of the
/// filter, one that was rolled back or has ended is gone, and the host's own operator has the last
/// word about cutting it off.
pub fn in_force(server: &Spec, local: &Spec, now: Timestamp) -> InForce {
    let candidate = server.candidate.clone();
    let decision = candidate.as_ref().and_then(|candidate| local.decisions.get(&candidate.plan));
    let of_server = match (candidate, decision) {
        (Some(candidate), Some(Decision::Kept)) => InForce { filter: candidate.filter, candidate: None },
        (_, Some(Decision::RolledBack)) => InForce { filter: server.filter.clone(), candidate: None },
        (candidate, _) => {
            InForce { filter: server.filter.clone(), candidate: candidate.filter(|candidate| candidate.until > now) }
        }
    };
    let own = local.isolation.as_ref().filter(|own| own.end().is_none_or(|end| end > now));
    own.map_or(of_server.clone(), |own| with_own(of_server, own))
}

/// True if the server cuts this host off, or tries to.
pub fn cuts_off(server: &Spec) -> bool {
    let candidate = server.candidate.as_ref().map(|candidate| &candidate.filter);
    std::iter::once(&server.filter).chain(candidate).any(is_cut_off)
}

/// True if a filter lets nothing through but what is failsafe.
pub fn is_cut_off(filter: &Filter) -> bool {
    filter.rules.iter().any(|rule| rule.layer == Layer::Isolation)
}

fn with_own(of_server: InForce, own: &OwnIsolation) -> InForce {
    let InForce { filter, candidate } = of_server;
    if !own.cut_off {
        let candidate = candidate.map(|candidate| Candidate { filter: let_in(candidate.filter), ..candidate });
        return InForce { filter: let_in(filter), candidate };
    }
    if let Some(until) = own.probation_until {
        let tried = Candidate { plan: own.plan.clone(), until, filter: cut_off(filter.clone(), own.ends_at) };
        return InForce { filter, candidate: Some(tried) };
    }
    let tried = |candidate: Candidate| Candidate { filter: cut_off(candidate.filter, own.ends_at), ..candidate };
    InForce { filter: cut_off(filter, own.ends_at), candidate: candidate.map(tried) }
}

/// The filter with everything denied before its rules are asked, until `ends_at`.
fn cut_off(filter: Filter, ends_at: Option<Timestamp>) -> Filter {
    let mut filter = let_in(filter);
    let deny = [rule("isolation/in", Direction::In, ends_at), rule("isolation/out", Direction::Out, ends_at)];
    filter.rules.splice(0..0, deny);
    // a host that nothing filtered is filtered by these two rules alone
    let open = Defaults { inbound: Action::Allow, outbound: Action::Allow };
    filter.defaults.get_or_insert(open);
    filter
}

/// The filter without what cuts off.
fn let_in(mut filter: Filter) -> Filter {
    filter.rules.retain(|rule| rule.layer != Layer::Isolation);
    filter
}

fn rule(id: &str, direction: Direction, ends_at: Option<Timestamp>) -> Rule {
    Rule {
        id: id.to_owned(),
        layer: Layer::Isolation,
        priority: 1,
        direction,
        action: Action::Deny,
        protocol: Protocol::All,
        ports: Vec::new(),
        types: Vec::new(),
        peers: Peers::Any,
        log: false,
        starts_at: None,
        ends_at,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::local::Book;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A filter of one rule.
    fn filter(id: &str) -> Filter {
        let rules = vec![Rule { layer: Layer::Group, ..rule(id, Direction::In, None) }];
        Filter {
            rules,
            defaults: Some(Defaults { inbound: Action::Deny, outbound: Action::Allow }),
            ..Filter::default()
        }
    }

    /// A server that tries `web/new` in the place of `web/old` until second 60.
    fn server() -> Spec {
        let candidate = Candidate { plan: "p-1".to_owned(), until: at(60), filter: filter("web/new") };
        Spec { filter: filter("web/old"), candidate: Some(candidate), ..Spec::default() }
    }

    fn own(cut_off: bool, ends: Option<i64>, probation: Option<i64>) -> OwnIsolation {
        let (reason, plan) = ("odd traffic".to_owned(), "l-1".to_owned());
        OwnIsolation { cut_off, reason, since: at(0), ends_at: ends.map(at), probation_until: probation.map(at), plan }
    }

    /// `filter`, or `filter | plan: candidate`.
    fn said(server: &Spec, local: &Spec, now: i64) -> String {
        let ids = |filter: &Filter| filter.rules.iter().map(|r| r.id.as_str()).collect::<Vec<_>>().join(" ");
        let InForce { filter, candidate } = in_force(server, local, at(now));
        let tried = candidate.map(|c| format!(" | {}: {}", c.plan, ids(&c.filter))).unwrap_or_default();
        ids(&filter) + &tried
    }

    fn book(server: Spec, local: Spec, now: i64) -> Book {
        Book { server, local, now: at(now) }
    }

    #[test]
    fn a_candidate_ends_by_itself_or_by_a_decision_made_here() {
        let local = Spec::default();
        assert_eq!(said(&server(), &local, 59), "web/old | p-1: web/new");
        assert_eq!(said(&server(), &local, 60), "web/old");
        let kept = book(server(), local.clone(), 10).decide("p-1", Decision::Kept);
        assert_eq!(said(&server(), &kept, 99), "web/new", "kept here, whatever the clock says");
        let undone = book(server(), local, 10).decide("p-1", Decision::RolledBack);
        assert_eq!(said(&server(), &undone, 20), "web/old");
        let later = Spec { candidate: None, ..server() };
        assert!(book(later, undone, 20).released("192.0.2.1".parse().unwrap()).decisions.is_empty());
    }

    #[test]
    fn the_operator_of_a_host_cuts_it_off_on_probation_and_keeps_it_so() {
        let quiet = Spec { filter: filter("web/old"), ..Spec::default() };
        let tried = book(quiet.clone(), Spec::default(), 0).isolated(own(true, None, Some(60)));
        assert_eq!(said(&quiet, &tried, 59), "web/old | l-1: isolation/in isolation/out web/old");
        assert_eq!(said(&quiet, &tried, 60), "web/old", "it ends by itself");
        assert!(book(quiet.clone(), tried.clone(), 1).is_tried("l-1"));
        let kept = book(quiet.clone(), tried.clone(), 1).decide("l-1", Decision::Kept);
        assert_eq!(said(&quiet, &kept, 99), "isolation/in isolation/out web/old");
        let undone = book(quiet.clone(), tried, 1).decide("l-1", Decision::RolledBack);
        assert_eq!(said(&quiet, &undone, 2), "web/old");
        assert!(undone.decisions.is_empty(), "what is the host's own needs no decision");
        let open = book(Spec::default(), Spec::default(), 0).isolated(own(true, None, None));
        assert_eq!(in_force(&Spec::default(), &open, at(1)).filter.defaults.unwrap().inbound, Action::Allow);
    }

    #[test]
    fn a_host_that_the_server_cuts_off_is_let_in_here_as_long_as_the_server_does() {
        let mut shut = Spec { filter: filter("web/old"), ..Spec::default() };
        shut.filter = cut_off(shut.filter, None);
        assert!(cuts_off(&shut) && is_cut_off(&shut.filter));
        let released = book(shut.clone(), Spec::default(), 0).let_in("l-2");
        assert_eq!(said(&shut, &released, 99), "web/old");
        let server = Spec { filter: filter("web/old"), ..Spec::default() };
        assert_eq!(book(server, released, 99).released("192.0.2.1".parse().unwrap()), Spec::default());
    }

    #[test]
    fn an_end_travels_with_the_rules_so_that_the_kernel_is_told_of_it() {
        let quiet = Spec { filter: filter("web/old"), ..Spec::default() };
        let local = book(quiet.clone(), Spec::default(), 0).isolated(own(true, Some(30), None));
        assert!(in_force(&quiet, &local, at(29)).filter.rules[..2].iter().all(|rule| rule.ends_at == Some(at(30))));
        assert_eq!(said(&quiet, &local, 30), "web/old");
    }
}
