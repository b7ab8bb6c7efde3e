//! What is judged, in three parts: assets that look wrong, settings of the kernel, files and defaults.

mod assets;
mod files;
pub mod kernel;

use crate::model::Observed;
use palisade_core::{Check, Verdicts};

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[
    assets::DELETED_EXECUTABLE,
    assets::PRELOAD,
    assets::PROCESS_FROM_TMP,
    assets::HIDDEN_MODULE,
    assets::UNOWNED_AUTOSTART,
    assets::CRON_WORLD_WRITABLE,
    kernel::ADDRESS_SPACE,
    kernel::LINKS,
    kernel::SOURCE_ROUTES,
    kernel::SYN_COOKIES,
    kernel::ACCEPT_REDIRECTS,
    kernel::SEND_REDIRECTS,
    kernel::REVERSE_PATH,
    kernel::PTRACE,
    kernel::KERNEL_POINTERS,
    kernel::KERNEL_LOG,
    kernel::SETUID_DUMPS,
    files::PATH_WORLD_WRITABLE,
    files::SETUID,
    files::INSECURE_SERVICE,
    files::TMP_MOUNT,
    files::CRON_PERMISSIONS,
    files::CORE_DUMPS,
    files::UMASK,
];

/// Judges all that was observed. A part that was not there to be seen (no processes and no kernel
/// in a scratch root) is not judged at all.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    assets::check(observed, verdicts);
    kernel::check(&observed.baseline, verdicts);
    files::check(observed, verdicts);
}

/// A path in single quotes, safe to paste into a shell; `None` for a name that no one should paste.
fn quoted(path: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    (path.chars().all(plain) && !path.contains('\'')).then(|| format!("'{path}'"))
}
