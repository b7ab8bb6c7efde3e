//! Judges who may read the logs of sign-ins, and the clock.

use super::{AUTH_LOG_PERMISSIONS, CLOCK_SYNC};
use crate::model::{Clock, LogFile, Logging};
use palisade_core::{Fix, Verdicts};

/// What others may not have: reading, writing, executing.
const OTHERS: u32 = 0o007;
const GROUP_WRITES: u32 = 0o020;

pub(super) fn auth_log_permissions(logging: &Logging, verdicts: &mut Verdicts) {
    let open = logging.auth_logs.iter().filter(|file| is_open(file)).take(100);
    verdicts.fail_each(&AUTH_LOG_PERMISSIONS, open, |file| {
        let (path, mode) = (&file.path, if file.path.starts_with("/var/log/btmp") { "660" } else { "640" });
        let safe = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
        let text = "Take the rights of others away, and set the same mode in logrotate's `create`.";
        let fix = if safe { Fix::command(text, format!("chmod {mode} {path}")) } else { Fix::text(text) };
        (path.clone(), format!("{path} has mode {}", file.mode), fix)
    });
}

/// `btmp` belongs to a group that writes it; the other logs are written by root's or syslog's account.
fn is_open(file: &LogFile) -> bool {
    let forbidden = if file.path.starts_with("/var/log/btmp") { OTHERS } else { OTHERS | GROUP_WRITES };
    u32::from_str_radix(&file.mode, 8).is_ok_and(|mode| mode & forbidden != 0)
}

pub(super) fn clock_sync(clock: &Clock, verdicts: &mut Verdicts) {
    let daemons = clock.daemons.join(", ");
    let install =
        Fix::command("Install a time daemon.", "apt-get install systemd-timesyncd && timedatectl set-ntp true");
    match (clock.synchronised, daemons.is_empty()) {
        (Some(true), _) | (None, false) => verdicts.pass(&CLOCK_SYNC),
        // openntpd shifts the clock without telling the kernel that it is right (adjtime(3)), and has
        // the process name of ntpd: its word stands
        (Some(false), false) if clock.daemons.iter().any(|d| d == "ntp") => verdicts.pass(&CLOCK_SYNC),
        (Some(false), false) => {
            let fix =
                Fix::text("Look why the time daemon reaches no time server (`timedatectl status`, `chronyc sources`).");
            verdicts.fail(
                &CLOCK_SYNC,
                "clock",
                format!("{daemons} runs, and the kernel says that the clock is not synchronised (STA_UNSYNC)"),
                fix,
            );
        }
        (Some(false), true) => {
            let evidence = "no time daemon runs, and the kernel says that the clock is not synchronised (STA_UNSYNC)";
            verdicts.fail(&CLOCK_SYNC, "clock", evidence, install);
        }
        (None, true) => verdicts.fail(&CLOCK_SYNC, "clock", "no time daemon starts with the system", install),
    }
}
