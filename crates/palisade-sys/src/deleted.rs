//! Processes that still run program code which an upgrade has removed: `/proc/PID/maps`
//! (proc_pid_maps(5)) with `(deleted)`.

use crate::{Root, SysError};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

/// Most processes that are looked at, and most bytes of one process's maps.
pub const PROCESSES_MAX: usize = 8_192;
const MAPS_BYTES_MAX: u64 = 4 << 20;
/// Most libraries that are told of one service.
const LIBRARIES_MAX: usize = 20;

/// Services that use removed program code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletedCode {
    /// By the name of the systemd unit, or of the program where there is none; the removed files.
    pub services: BTreeMap<String, BTreeSet<String>>,
    /// True when some processes could not be looked at for want of rights.
    pub partial: bool,
}

/// Looks at the processes of this host; those of containers (another root directory) are passed over.
pub fn read(root: &Root) -> Result<DeletedCode, SysError> {
    if !root.is_live() {
        return Err(SysError::NotLive("processes"));
    }
    let own = root.metadata("/").map(|m| (m.dev(), m.ino()))?;
    let mut found = DeletedCode::default();
    let names = root.names("/proc")?;
    let pids = names.iter().filter_map(|n| n.to_str()).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
    for pid in pids.take(PROCESSES_MAX) {
        match root.metadata(format!("/proc/{pid}/root/")).map(|m| (m.dev(), m.ino())) {
            Ok(there) if there == own => look(root, pid, &mut found),
            Ok(_) => {}
            Err(error) => found.partial |= error.is_denied(),
        }
    }
    Ok(found)
}

fn look(root: &Root, pid: &str, found: &mut DeletedCode) {
    // a process may end at any moment, and a kernel thread has no maps: both are nothing to tell
    let maps = match root.read_up_to(format!("/proc/{pid}/maps"), MAPS_BYTES_MAX) {
        Ok(maps) => maps,
        Err(error) => {
            found.partial |= error.is_denied() || matches!(error, SysError::TooLarge { .. });
            return;
        }
    };
    let gone = deleted_code(&String::from_utf8_lossy(&maps));
    if gone.is_empty() {
        return;
    }
    let text = |file: &str| root.text(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let name = unit(&text("cgroup")).unwrap_or_else(|| text("comm").trim().to_owned());
    let service = found.services.entry(name).or_default();
    service.extend(gone);
    while service.len() > LIBRARIES_MAX {
        service.pop_last();
    }
}

/// The removed files that are mapped executable and lie where packages put programs and libraries.
/// Just-in-time compilers map removed files of `/tmp`, `/dev/shm` and memfd: those are left out.
fn deleted_code(maps: &str) -> BTreeSet<String> {
    let path = |line: &str| -> Option<String> {
        let gone = line.strip_suffix(" (deleted)")?;
        let (head, path) = gone.split_at(gone.find('/')?);
        let executable = head.split_whitespace().nth(1)?.contains('x');
        let packaged = ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/"].iter().any(|dir| path.starts_with(dir));
        // dpkg writes `x.dpkg-new` and renames it; a file that was renamed again keeps this name
        (executable && packaged).then(|| path.trim_end_matches(".dpkg-new").trim_end_matches(".dpkg-tmp").to_owned())
    };
    maps.lines().filter_map(path).collect()
}

/// The systemd unit of a process, from its control group: the last `….service` of the path.
fn unit(cgroup: &str) -> Option<String> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let unit = |path: &str| path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned);
    paths.into_iter().find_map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAPS: &str = "\
55d6c0a00000-55d6c0a2f000 r--p 00000000 08:01 131 /usr/sbin/nginx
7f1c2c200000-7f1c2c228000 r--p 00000000 08:01 270 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f1c2c228000-7f1c2c3bd000 r-xp 00028000 08:01 270 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f1c2c400000-7f1c2c500000 r-xp 00000000 00:01 99 /memfd:jit (deleted)
7f1c2c600000-7f1c2c700000 rw-s 00000000 00:01 99 /dev/zero (deleted)
7f1c2c800000-7f1c2c900000 r-xp 00000000 00:01 99 /tmp/ffi1 (deleted)
7ffd0e5f8000-7ffd0e619000 rw-p 00000000 00:00 0 [stack]
";

    #[test]
    fn only_program_code_of_packages_counts() {
        let gone: Vec<_> = deleted_code(MAPS).into_iter().collect();
        assert_eq!(gone, ["/usr/lib/x86_64-linux-gnu/libssl.so.3"]);
    }

    #[test]
    fn the_unit_is_found_on_both_versions_of_control_groups() {
        assert_eq!(unit("0::/system.slice/nginx.service\n").as_deref(), Some("nginx.service"));
        let v1 = "12:pids:/system.slice/ssh.service\n1:name=systemd:/system.slice/ssh.service\n";
        assert_eq!(unit(v1).as_deref(), Some("ssh.service"));
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), None);
    }

    #[test]
    fn the_running_system_is_looked_at() {
        let begun = std::time::Instant::now();
        let found = read(&Root::live()).expect("/proc can be listed");
        println!(
            "{} services with removed code, partial {}, {:?}",
            found.services.len(),
            found.partial,
            begun.elapsed()
        );
    }

    proptest! {
        #[test]
        fn any_maps_are_read_without_panic(text in "[\\PC\n]{0,200}") {
            let _ = deleted_code(&text).len() + deleted_code(&format!("{text} (deleted)")).len() + unit(&text).iter().len();
        }
    }
}
