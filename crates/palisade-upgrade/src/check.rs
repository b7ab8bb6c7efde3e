//! Judges the upgrades of a host.

mod packages;
mod running;
mod sources;

use crate::model::Observed;
use palisade_core::{Check, Severity, Verdicts};

/// Most findings of one check; what is more is counted in a last one.
pub(crate) const FINDINGS_MAX: usize = 200;

const fn check_of(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    reference: &'static str,
) -> Check {
    Check { id, practice: "os-upgrade", severity, title, why, reference: Some(reference) }
}

/// A security update waits.
pub const SECURITY_PENDING: Check = check_of(
    "upgrade.security-pending",
    Severity::High,
    "security update not installed",
    "The defect that the update mends is public, and so is the way to exploit it.",
    "mission: Periodically upgrade the operating system",
);
/// Other updates wait.
pub const UPDATES_PENDING: Check = check_of(
    "upgrade.updates-pending",
    Severity::Low,
    "updates not installed",
    "The further a host is behind, the larger and riskier the next upgrade.",
    "mission: Periodically upgrade the operating system",
);
/// The lists are old.
pub const LISTS_STALE: Check = check_of(
    "upgrade.lists-stale",
    Severity::Medium,
    "package lists out of date",
    "A host that does not ask for updates says that there are none.",
    "apt-get(8), update",
);
/// A restart is due.
pub const REBOOT_NEEDED: Check = check_of(
    "upgrade.reboot-needed",
    Severity::Medium,
    "restart needed",
    "Until the restart the old kernel or the old core libraries run, with their defects.",
    "Debian Policy 9.11, reboot-required",
);
/// The release gets no more updates.
pub const END_OF_LIFE: Check = check_of(
    "upgrade.end-of-life",
    Severity::Critical,
    "release without security updates",
    "New defects of this release are published and never mended.",
    "mission: Periodically upgrade the operating system",
);
/// Nothing installs upgrades by itself.
pub const UNATTENDED: Check = check_of(
    "upgrade.unattended",
    Severity::Low,
    "security updates are not installed by themselves",
    "Between the publication of a defect and the next visit of a person lie the days in which it is exploited.",
    "CIS Debian 12 1.2.2.1",
);
/// A package is held back.
pub const HELD: Check = check_of(
    "upgrade.held",
    Severity::Low,
    "package held back",
    "A held package gets no security update either, and nobody is told.",
    "apt-mark(8)",
);
/// A package is half installed.
pub const HALF_CONFIGURED: Check = check_of(
    "upgrade.half-configured",
    Severity::Medium,
    "package not fully installed",
    "An interrupted installation leaves old and new files side by side and stops every later upgrade.",
    "dpkg(1), package states",
);
/// A service runs with removed code.
pub const SERVICES_STALE: Check = check_of(
    "upgrade.services-stale",
    Severity::Medium,
    "service still runs removed code",
    "The update is installed, but the process has the old library in memory, with its defects.",
    "proc_pid_maps(5)",
);
/// There is no source of security updates.
pub const NO_SECURITY_ARCHIVE: Check = check_of(
    "upgrade.no-security-archive",
    Severity::High,
    "no source of security updates",
    "Without the security archive the host never learns of security updates.",
    "CIS Debian 12 1.2.1.2",
);

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[
    END_OF_LIFE,
    SECURITY_PENDING,
    NO_SECURITY_ARCHIVE,
    LISTS_STALE,
    REBOOT_NEEDED,
    SERVICES_STALE,
    HALF_CONFIGURED,
    UPDATES_PENDING,
    HELD,
    UNATTENDED,
];

/// Judges all that applies. Restart and services are not judged in a scratch root, which has
/// neither kernel nor processes; the security archive only on Debian and Ubuntu, whose name for it
/// is known.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    sources::end_of_life(&observed.state, verdicts);
    running::services_stale(&observed.state, verdicts);
    if let Some(why) = &observed.state.unread {
        let unread = [&SECURITY_PENDING, &UPDATES_PENDING, &LISTS_STALE, &UNATTENDED, &HELD, &HALF_CONFIGURED];
        unread.into_iter().for_each(|check| verdicts.unknown(check, why.as_str()));
        return;
    }
    packages::security_pending(observed, verdicts);
    packages::updates_pending(observed, verdicts);
    packages::held(observed, verdicts);
    packages::half_configured(&observed.state, verdicts);
    sources::no_security_archive(&observed.state, verdicts);
    sources::lists_stale(&observed.state, verdicts);
    sources::unattended(&observed.state.unattended, verdicts);
    running::reboot_needed(&observed.state, verdicts);
}
