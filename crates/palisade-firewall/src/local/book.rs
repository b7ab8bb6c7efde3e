//! The two specs of a host side by side, and what its operator may write into the local one. Pure.

use super::in_force::{InForce, cuts_off, in_force};
use crate::resolve::until;
use crate::spec::{Allow, Ban, Decision, OwnIsolation, Spec};
use crate::store::BanRow;
use crate::views::Origin;
use palisade_core::{Cidr, Timestamp};

/// Both specs, at one moment.
#[derive(Debug, Clone)]
pub struct Book {
    /// From the server; never changed here.
    pub server: Spec,
    /// From the host's operator.
    pub local: Spec,
    /// The moment.
    pub now: Timestamp,
}

impl Book {
    /// The bans in force and whose they are: without what was released or rolled back here.
    pub fn bans(&self) -> Vec<(Ban, Origin)> {
        let all = self
            .server
            .bans
            .iter()
            .map(|b| (b, Origin::Server))
            .chain(self.local.bans.iter().map(|b| (b, Origin::Local)));
        all.filter(|(ban, origin)| *origin == Origin::Local || !self.local.released.contains(&ban.cidr))
            .filter_map(|(ban, origin)| Some((self.decided(ban)?, origin)))
            .filter(|(ban, _)| until(ban).is_none_or(|end| end > self.now))
            .collect()
    }

    /// The ban as the operator has decided about its plan; `None` if it was rolled back.
    fn decided(&self, ban: &Ban) -> Option<Ban> {
        let mut ban = ban.clone();
        match ban.plan.as_ref().and_then(|plan| self.local.decisions.get(plan)) {
            Some(Decision::RolledBack) => return None,
            Some(Decision::Kept) => ban.probation_until = None,
            None => {}
        }
        Some(ban)
    }

    /// The bans in force as a draft wants them.
    pub fn rows(&self) -> Vec<BanRow> {
        self.bans().into_iter().map(|(ban, _)| BanRow { host: None, ban }).collect()
    }

    /// The allow-list in force and whose it is.
    pub fn allow(&self) -> Vec<(Allow, Origin)> {
        let all = self
            .server
            .allow
            .iter()
            .map(|a| (a, Origin::Server))
            .chain(self.local.allow.iter().map(|a| (a, Origin::Local)));
        all.filter(|(a, _)| a.ends_at.is_none_or(|end| end > self.now)).map(|(a, origin)| (a.clone(), origin)).collect()
    }

    /// With a ban added; a release of the same network is taken back.
    pub fn banned(mut self, ban: Ban) -> Spec {
        self.local.released.retain(|c| *c != ban.cidr);
        self.local.bans.push(ban);
        self.cleared()
    }

    /// Without any ban of exactly this network, whoever made it.
    pub fn released(mut self, cidr: Cidr) -> Spec {
        self.local.bans.retain(|b| b.cidr != cidr);
        if self.server.bans.iter().any(|b| b.cidr == cidr) && !self.local.released.contains(&cidr) {
            self.local.released.push(cidr);
        }
        self.cleared()
    }

    /// With an entry of the allow-list added or replaced.
    pub fn allowed(mut self, allow: Allow) -> Spec {
        self.local.allow.retain(|a| a.cidr != allow.cidr);
        self.local.allow.push(allow);
        self.cleared()
    }

    /// Without an entry of the local allow-list.
    pub fn disallowed(mut self, cidr: Cidr) -> Spec {
        self.local.allow.retain(|a| a.cidr != cidr);
        self.cleared()
    }

    /// The bans that a plan on probation holds: what a decision would be about.
    pub fn on_probation(&self, plan: &str) -> Vec<Cidr> {
        let of_plan = |b: &Ban| b.plan.as_deref() == Some(plan) && b.probation_until.is_some();
        self.bans().into_iter().filter(|(b, _)| of_plan(b)).map(|(b, _)| b.cidr).collect()
    }

    /// The filter in force, and the one that is tried.
    pub fn in_force(&self) -> InForce {
        in_force(&self.server, &self.local, self.now)
    }

    /// True if a plan holds a filter on probation.
    pub fn is_tried(&self, plan: &str) -> bool {
        self.in_force().candidate.is_some_and(|candidate| candidate.plan == plan)
    }

    /// With this host cut off, or let in although the server has cut it off.
    pub fn isolated(mut self, isolation: OwnIsolation) -> Spec {
        self.local.isolation = Some(isolation);
        self.cleared()
    }

    /// Without anything that cuts this host off, whoever made it.
    pub fn let_in(mut self, plan: &str) -> Spec {
        let since = self.now;
        let (reason, plan) = (String::new(), plan.to_owned());
        let own = OwnIsolation { cut_off: false, reason, since, ends_at: None, probation_until: None, plan };
        self.local.isolation = Some(own);
        self.cleared()
    }

    /// With the operator's decision about a plan. What is the host's own is changed, what is of the
    /// server is decided about.
    pub fn decide(mut self, plan: &str, decision: Decision) -> Spec {
        let of_plan = |b: &Ban| b.plan.as_deref() == Some(plan);
        match decision {
            Decision::Kept => self.local.bans.iter_mut().filter(|b| of_plan(b)).for_each(|b| b.probation_until = None),
            Decision::RolledBack => self.local.bans.retain(|b| !of_plan(b)),
        }
        let own = self.local.isolation.as_mut().filter(|own| own.plan == plan && own.probation_until.is_some());
        match (own, decision) {
            (Some(own), Decision::Kept) => own.probation_until = None,
            (Some(_), Decision::RolledBack) => self.local.isolation = None,
            (None, _) => {}
        }
        if holds_plan(&self.server, plan) {
            self.local.decisions.insert(plan.to_owned(), decision);
        }
        self.cleared()
    }

    /// Without what has ended, and without decisions and releases that the server's spec no longer
    /// gives a reason for: a local spec does not grow for ever.
    fn cleared(self) -> Spec {
        let Book { server, mut local, now } = self;
        local.bans.retain(|b| until(b).is_none_or(|end| end > now));
        local.allow.retain(|a| a.ends_at.is_none_or(|end| end > now));
        local.released.retain(|c| server.bans.iter().any(|b| b.cidr == *c));
        local.decisions.retain(|plan, _| holds_plan(&server, plan));
        // a release is of no use when the server cuts nothing off
        let needed =
            |own: &OwnIsolation| if own.cut_off { own.end().is_none_or(|end| end > now) } else { cuts_off(&server) };
        local.isolation = local.isolation.filter(needed);
        local
    }
}

/// True if the server's spec has something of this plan.
fn holds_plan(server: &Spec, plan: &str) -> bool {
    server.bans.iter().any(|ban| ban.plan.as_deref() == Some(plan))
        || server.candidate.as_ref().is_some_and(|candidate| candidate.plan == plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(cidr: &str, plan: &str, probation: bool) -> Ban {
        Ban {
            cidr: cidr.parse().expect("a network"),
            reason: String::new(),
            by: "ada".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            ends_at: None,
            probation_until: probation.then_some(Timestamp::MAX),
            plan: Some(plan.to_owned()),
        }
    }

    fn book() -> Book {
        let server = Spec {
            bans: vec![ban("203.0.113.0/24", "p-1", true), ban("198.51.100.7", "p-2", false)],
            ..Spec::default()
        };
        let local = Spec { bans: vec![ban("192.0.2.0/24", "l-1", true)], ..Spec::default() };
        Book { server, local, now: Timestamp::UNIX_EPOCH }
    }

    fn in_force(local: Spec) -> Vec<String> {
        Book { local, ..book() }
            .bans()
            .iter()
            .map(|(b, _)| format!("{}{}", b.cidr, if b.probation_until.is_some() { " ?" } else { "" }))
            .collect()
    }

    #[test]
    fn a_release_ends_a_ban_of_the_server_and_a_new_ban_takes_it_back() {
        let cidr = "198.51.100.7".parse().expect("an address");
        let released = book().released(cidr);
        assert_eq!(in_force(released.clone()), ["203.0.113.0/24 ?", "192.0.2.0/24 ?"]);
        let again = Book { local: released, ..book() }.banned(ban("198.51.100.7", "l-2", false));
        assert!(again.released.is_empty());
    }

    #[test]
    fn plans_of_both_origins_can_be_kept_and_rolled_back() {
        assert_eq!(
            in_force(book().decide("p-1", Decision::Kept)),
            ["203.0.113.0/24", "198.51.100.7", "192.0.2.0/24 ?"]
        );
        assert_eq!(in_force(book().decide("p-1", Decision::RolledBack)), ["198.51.100.7", "192.0.2.0/24 ?"]);
        assert_eq!(
            in_force(book().decide("l-1", Decision::Kept)),
            ["203.0.113.0/24 ?", "198.51.100.7", "192.0.2.0/24"]
        );
        assert_eq!(in_force(book().decide("l-1", Decision::RolledBack)), ["203.0.113.0/24 ?", "198.51.100.7"]);
    }

    #[test]
    fn decisions_and_releases_end_with_the_reason_for_them() {
        let local = book().decide("p-1", Decision::RolledBack);
        let local = Book { local, ..book() }.released("198.51.100.7".parse().expect("an address"));
        assert_eq!((local.decisions.len(), local.released.len()), (1, 1));
        let later = Book { server: Spec::default(), local, now: Timestamp::UNIX_EPOCH }
            .released("192.0.2.0/24".parse().expect("a network"));
        assert_eq!(later, Spec::default());
    }
}
