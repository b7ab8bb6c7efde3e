//! Whether a daemon is there: its systemd unit and its process.

use crate::{Root, SysError};
use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Where unit files lie (systemd.unit(5)); the first one wins.
const UNIT_DIRS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Most processes and most `.wants` directories that are looked at.
const PROCESSES_MAX: usize = 32_768;
const WANTS_MAX: usize = 1_000;

/// What systemd is told to start, and which programs run.
#[derive(Debug, Clone, Default)]
pub struct Daemons {
    enabled: BTreeSet<String>,
    running: Option<BTreeSet<String>>,
}

impl Daemons {
    /// Reads the links of `*.wants` and `*.requires`, and in a running system the names of the
    /// processes that share our root directory (not those of containers).
    pub fn read(root: &Root) -> Result<Daemons, SysError> {
        let running = if root.is_live() { Some(running(root)?) } else { None };
        Ok(Daemons { enabled: enabled(root)?, running })
    }

    /// True when the unit starts with the system.
    pub fn is_enabled(&self, unit: &str) -> bool {
        self.enabled.contains(unit)
    }

    /// True when the program runs (running system), or when one of the units starts with the
    /// system (scratch root). `comms` are names as in `/proc/PID/comm`, cut at 15 bytes.
    pub fn is_active(&self, units: &[&str], comms: &[&str]) -> bool {
        match &self.running {
            Some(running) => comms.iter().any(|c| running.contains(*c)),
            None => units.iter().any(|u| self.enabled.contains(*u)),
        }
    }
}

/// True when the unit file exists and is not masked by a link to `/dev/null`.
pub fn is_installed(root: &Root, unit: &str) -> bool {
    let first = UNIT_DIRS.iter().find_map(|dir| root.metadata(format!("{dir}/{unit}")).ok());
    first.is_some_and(|m| !m.file_type().is_char_device())
}

fn enabled(root: &Root) -> Result<BTreeSet<String>, SysError> {
    let mut units = BTreeSet::new();
    for dir in UNIT_DIRS {
        let names = root.names(dir)?;
        let text = |name: &std::ffi::OsString| name.to_str().map(str::to_owned);
        let wants = names.iter().filter_map(text).filter(|n| n.ends_with(".wants") || n.ends_with(".requires"));
        for wants in wants.take(WANTS_MAX) {
            units.extend(root.names(format!("{dir}/{wants}")).unwrap_or_default().iter().filter_map(text));
        }
    }
    Ok(units)
}

fn running(root: &Root) -> Result<BTreeSet<String>, SysError> {
    let own = root.metadata("/").map(|m| (m.dev(), m.ino()))?;
    let names = root.names("/proc")?;
    let pids = names.iter().filter_map(|n| n.to_str()).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let ours = |pid: &&str| root.metadata(format!("/proc/{pid}/root/")).map_or(true, |m| (m.dev(), m.ino()) == own);
    let comm = |pid: &str| root.read_up_to(format!("/proc/{pid}/comm"), 256).ok();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ok(pids.take(PROCESSES_MAX).filter(ours).filter_map(comm).map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_unit_is_enabled_by_its_link_and_masked_by_null() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |path: &str| dir.path().join(path);
        for sub in ["etc/systemd/system/multi-user.target.wants", "lib/systemd/system", "dev"] {
            fs::create_dir_all(at(sub)).expect("made");
        }
        fs::write(at("lib/systemd/system/rsyslog.service"), "[Service]\n").expect("written");
        symlink(
            "/lib/systemd/system/rsyslog.service",
            at("etc/systemd/system/multi-user.target.wants/rsyslog.service"),
        )
        .expect("linked");
        let root = Root::scratch(dir.path()).expect("it exists");
        let daemons = Daemons::read(&root).expect("read");
        assert!(daemons.is_active(&["rsyslog.service"], &["rsyslogd"]) && is_installed(&root, "rsyslog.service"));
        assert!(
            !daemons.is_active(&["syslog-ng.service"], &["syslog-ng"]) && !is_installed(&root, "syslog-ng.service")
        );
    }

    #[test]
    fn the_running_system_knows_its_processes() {
        let begun = std::time::Instant::now();
        let daemons = Daemons::read(&Root::live()).expect("/proc can be listed");
        println!("{:?}: {:?}", begun.elapsed(), daemons.running.as_ref().map(BTreeSet::len));
        assert!(daemons.running.is_some_and(|names| !names.is_empty()));
    }
}
