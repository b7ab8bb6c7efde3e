//! What is on a host, and whether it is set up safely.
//!
//! **Protects against** what nobody knows of: a forgotten account, a port that opened last night, a
//! program that runs from `/tmp`, a library loaded into every process, kernel settings that were
//! never tightened. The mission: *identify and manage the assets on your servers*, and *check the
//! security status and eliminate the risks of a server*.
//!
//! **Words.** A *section* is one kind of asset: accounts, ports, processes, packages, modules,
//! autostart, webroots. A *change* is a row that was added, removed or changed between two
//! observations of a section.
//!
//! **In order.** `observe` reads the sections and the facts of the baseline (every 60 s), `check`
//! judges them; a section travels to the server when it has changed, which stores the difference
//! as changes and answers lists over one host or all.
//!
//! **Limits.** Per section as [`model::limits`] says, each named in the section when something was
//! cut. Processes younger than 60 s count only if they listen or run from a temporary directory,
//! kernel threads not at all, UDP sockets on ports of the kernel's choice from the second look on, so that a section stays the same while nothing happens. Changes are kept for 90 days, at
//! most 1,000 per section and observation.
//!
//! Values of options that look like secrets are masked in command lines before they leave the host;
//! a secret without a name (`mysql -psecret`) is not.
//!
//! **Does not do.** It changes nothing on the host. It sees one network namespace and the packages
//! of dpkg; what containers hold is seen as processes only. Accounts of directory services
//! (LDAP, sssd) are not listed. Rises in CPU or memory are the monitor guard's.

pub mod api;
pub mod check;
pub mod cli;
pub mod difference;
pub mod model;
pub mod observe;
pub mod serve;
pub mod store;

use model::Observed;
use palisade_core::{Check, Verdicts};
use palisade_guard::{Entry, Guard, GuardError, Host};

/// The guard's looking and judging.
#[derive(Debug, Default)]
pub struct Inventory {
    seen: observe::Seen,
}

impl Guard for Inventory {
    type Observed = Observed;
    const WORD: &'static str = "inventory";
    const PRACTICES: &'static [&'static str] = &["assets", "baseline"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 60;

    fn observe(&self, host: &Host) -> Result<Observed, GuardError> {
        Ok(observe::observe(&host.root, palisade_core::Timestamp::now(), &self.seen))
    }

    fn check(&self, observed: &Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

/// The guard, for the list of guards.
pub fn guard() -> Entry {
    Entry::new(Inventory::default()).serves(serve::Half).commands(cli::COMMAND)
}
