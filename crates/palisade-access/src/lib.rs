//! The access guard: who can log on to a host, and how easily a stranger could.
//!
//! **Protects against** guessed, stolen, shared and missing passwords, forgotten accounts, and an
//! SSH server that lets in more than it should. It serves the practice `logon-passwords`: at least
//! eight characters of four classes, changed at least once in 180 days.
//!
//! **Words.** *Account*: a row of `/etc/passwd`. *Usable password*: one that is set (or empty), not
//! locked, on an account that has a login shell and has not expired. *Policy*: what PAM demands of
//! a new password. *Setting*: a keyword of sshd_config with its value and its place.
//!
//! **What happens, in order.** [`observe`](observe::observe) reads the account files, the modes of
//! homes and of the files that guard the logon, the PAM policy, the SSH server's settings (`sshd -T`
//! on a running host, the files elsewhere) and its keys. [`check`](check::check) judges them; it is
//! a pure function of the observation and the moment.
//!
//! **Limits.** 50,000 rows of passwd and shadow, 10,000 files of authorized keys of at most 1 MiB,
//! 16 levels of includes. Accounts of a directory service (LDAP, SSSD) are not in these files and
//! are not judged. `Match` blocks are judged one by one, not combined. Homes on a network file
//! system that does not answer hold up the look at them.
//!
//! **What it does not do.** It changes nothing yet. It never keeps, sends or prints a password
//! hash or a key, and does not try passwords: their strength is judged by the policy that they had
//! to pass and by their age.

pub mod check;
pub mod observe;
pub mod policy;

use observe::Observed;
use palisade_core::{Check, Verdicts};
use palisade_guard::{Entry, Guard, GuardError, Host};

/// The guard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access;

impl Guard for Access {
    type Observed = Observed;

    const WORD: &'static str = "access";
    const PRACTICES: &'static [&'static str] = &["logon-passwords"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 60;

    fn observe(&self, host: &Host) -> Result<Observed, GuardError> {
        Ok(observe::observe(&host.root))
    }

    fn check(&self, observed: &Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

/// The access guard, for the list of guards.
pub fn guard() -> Entry {
    Entry::new(Access)
}
