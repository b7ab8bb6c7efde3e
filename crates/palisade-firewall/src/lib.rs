//! The firewall: who may reach a host, and what of it can be reached.
//!
//! **Protects against** open ports that nobody meant to open (high-risk ports, databases, doors to
//! the administration), hosts that let in whatever no rule forbids, and attackers by address.
//!
//! **Words.** A *security group* is hosts that are protected alike, with rules about who may begin
//! a conversation with them and with whom they may; a *peer* is the other side of a rule. A *port
//! policy* shuts high-risk ports and databases before any group is asked. A *filter* is what one
//! host makes of all of it; a *candidate* is a filter on probation. A *listener* is a socket that
//! waits for others; its *scope* is from where it can be reached by the address that it is bound
//! to: host, private or world. A *ban* shuts one address or network out, with an end or without.
//! The *allow-list* holds addresses that no ban cuts; the *failsafe* addresses (the server, the
//! operator, the configured ones) are never cut by anything. *Open by rule* is to whom our rules let
//! packets in, *open in fact* what socket and rules leave together ([`exposure`]). The *feed* is the
//! stream of bans that engines and imports ask for ([`feed`]).
//!
//! **What happens, in order.** Documents are put into normal form and stored ([`group`]), the
//! filter of each host is resolved from them and the fleet, compiled to a program ([`filter`]) and
//! held in the kernel ([`ruleset`]); before that, a plan says what it opens and closes, and what
//! cuts the server or the operator is refused. [`filter::judge`] says what a filter means, and
//! everything else is measured by it; commands and drafts ask it too ([`filter::verdict`]). The
//! agent observes listeners and nftables ([`observe`]) and judges them ([`check`]). A change is
//! asked for at the server ([`api`]) or, without it, on the host itself ([`local`]); both [`draft`]
//! a plan with its effects or refuse, by the one check in [`plan::refuse`]. The server stores the
//! ban ([`store`]) and makes each host's spec ([`resolve`]); the host compares spec and kernel
//! ([`plan`]) and carries the steps out ([`apply`]) in one table of its own, `inet palisade`
//! ([`ruleset`]), again whenever another tool has changed it ([`keep`]). A network ban is on
//! probation: the kernel itself ends it unless its plan is kept.
//!
//! **Limits.** 1,000 rules per group and per host, 1,000 groups per server and 50 per host, 100,000
//! networks per prefix list ([`group::model`]). 100,000 bans of operators, 100,000 of the
//! feed and 10,000 entries of the allow-list per server; networks no wider than /8 (IPv4) and /16 (IPv6); 4,096 listeners per host are
//! judged, more are said to be unjudged.
//!
//! **What it does not do.** Filtering what a host only forwards, beyond published ports; looking up
//! names; knowing users or programs; evaluating the rules of other tools: where an input chain
//! drops by default, a finding about a port is one step less severe and says why. Of their rules of
//! nat only where they send ports on is read, not for whom. Tables of the older iptables are named,
//! not read. Sockets of other network namespaces (most containers) are seen only where their ports
//! are published on the host.

pub mod api;
pub mod apply;
pub mod check;
pub mod cli;
pub mod draft;
pub mod events;
pub mod exposure;
pub mod feed;
pub mod filter;
pub mod group;
pub mod keep;
pub mod local;
pub mod model;
pub mod observe;
pub mod plan;
pub mod resolve;
pub mod ruleset;
pub mod services;
pub mod spec;
pub mod store;
pub mod stream;
pub mod views;

use palisade_core::{Check, Verdicts};
use palisade_guard::{Entry, Guard, GuardError, Host};

/// The guard's word.
pub const WORD: &str = "firewall";

/// Looking and judging.
#[derive(Debug, Clone, Copy, Default)]
pub struct Firewall;

impl Guard for Firewall {
    type Observed = model::Observed;

    const WORD: &'static str = WORD;
    const PRACTICES: &'static [&'static str] =
        &["security-groups", "port-security", "high-risk-ports", "database-ports"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 15;

    fn observe(&self, host: &Host) -> Result<model::Observed, GuardError> {
        Ok(observe::observe(&host.root))
    }

    fn check(&self, observed: &model::Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

/// The guard, for the frame.
pub fn guard() -> Entry {
    let watching = stream::watch::Watching::default();
    Entry::new(Firewall).keeps(keep::keeper).watches(watching).serves(resolve::Server::default()).commands(cli::COMMAND)
}
