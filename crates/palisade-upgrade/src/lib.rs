//! Operating system upgrades: which updates wait, which of them mend security, and whether what
//! was upgraded is also what runs.
//!
//! # What it protects against
//!
//! Known defects that stay open: updates that nobody installed, a host that no longer asks for
//! updates, a release that gets none, an upgraded library that old processes still use.
//!
//! # Words
//!
//! *Candidate*: the version that the package manager would install. *Archive*: a suite of packages
//! (`bookworm-security`). *Lists*: what `apt-get update` has downloaded about the archives.
//! *Phased*: handed to a share of hosts first.
//!
//! # What happens, in order
//!
//! 1. `observe` reads dpkg's status and apt's downloaded lists; nothing is downloaded and no
//!    package tool is run. The answer is kept until one of these files changes.
//! 2. `check` judges: see [`check::CHECKS`].
//! 3. The server shows what waits at `/api/v1/upgrade/pending`.
//!
//! # Limits
//!
//! Lists of 1 GB, 200,000 packages, 200 findings of one check, 8,192 processes. Pins
//! (apt_preferences(5)) are not evaluated; when there are any, the status says so.
//!
//! # What it does not do
//!
//! It installs nothing. It reads neither rpm nor apk databases: on such systems only the end of
//! life is judged, everything else is `unknown`. It matches no advisories, so that the practice
//! `vulnerabilities` stays unprotected.

pub mod api;
pub mod check;
pub mod cli;
pub mod eol;
pub mod model;
pub mod observe;

use model::Observed;
use palisade_core::{Check, Verdicts};
use palisade_guard::{Entry, Guard, GuardError, Host};

/// The guard.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade;

impl Guard for Upgrade {
    type Observed = Observed;
    const WORD: &'static str = "upgrade";
    const PRACTICES: &'static [&'static str] = &["os-upgrade"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 300;

    fn observe(&self, host: &Host) -> Result<Observed, GuardError> {
        Ok(observe::observe(&host.root))
    }

    fn check(&self, observed: &Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

/// The guard as the frame holds it.
pub fn guard() -> Entry {
    Entry::new(Upgrade).serves(api::UpgradeServer).commands(cli::COMMAND)
}
