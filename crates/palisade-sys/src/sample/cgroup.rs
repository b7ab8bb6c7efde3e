//! What the path of a cgroup says about a process: its systemd unit, and its container.
//!
//! Container managers name cgroups in their own ways: `docker-ID.scope` or `/docker/ID`,
//! `cri-containerd-ID.scope`, `crio-ID.scope` or `/kubepods/…/podUID/ID` (Kubernetes),
//! `libpod-ID.scope` (Podman), `/lxc/NAME` or `lxc.payload.NAME` (LXC),
//! `systemd-nspawn@NAME.service` or `machine-NAME.scope` (systemd).

use super::fields::{lines, set_text};

const NAME_BYTES_MAX: usize = 128;
const ID_BYTES: usize = 64;
const ID_BYTES_SHOWN: usize = 12;

/// Where a process belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The systemd unit: the innermost service or scope of the path.
    pub unit: Option<String>,
    /// The container: the first 12 characters of its id, or its name.
    pub container: Option<String>,
}

/// Of `PID/cgroup`: lines `hierarchy:controllers:path` (cgroups(7)).
pub fn place(text: &[u8]) -> Place {
    let paths = || lines(text).filter_map(|line| line.splitn(3, |&b| b == b':').nth(2));
    Place { unit: paths().find_map(unit), container: paths().find_map(container) }
}

/// The name of the innermost container of a path.
fn container(path: &[u8]) -> Option<String> {
    let mut parent: &[u8] = b"";
    let mut found = None;
    for part in path.split(|&b| b == b'/') {
        found = name(parent, part).or(found);
        parent = part;
    }
    found
}

fn unit(path: &[u8]) -> Option<String> {
    let is_unit = |part: &&[u8]| part.ends_with(b".service") || part.ends_with(b".scope");
    path.rsplit(|&b| b == b'/').find(is_unit).map(text)
}

/// The container that the cgroup `part`, in the cgroup `parent`, is of; `None` if it is no container's.
pub(super) fn name(parent: &[u8], part: &[u8]) -> Option<String> {
    if let Some(machine) = part.strip_prefix(b"machine-").and_then(|rest| rest.strip_suffix(b".scope")) {
        // libvirt's virtual machines are no containers
        return (!machine.starts_with(b"qemu")).then(|| unescaped(machine));
    }
    if let Some(machine) = part.strip_prefix(b"systemd-nspawn@").and_then(|rest| rest.strip_suffix(b".service")) {
        return Some(unescaped(machine));
    }
    if let Some(name) = part.strip_prefix(b"lxc.payload.") {
        return Some(text(name));
    }
    let is_lxc = parent == b"lxc" || parent == b"lxc.payload";
    if is_lxc && !part.is_empty() && part != b"init.scope" {
        return Some(text(part));
    }
    let scope = part.strip_suffix(b".scope").unwrap_or(part);
    if scope.starts_with(b"libpod-conmon-") || scope.starts_with(b"crio-conmon-") {
        return None; // what watches over a container
    }
    let start = scope.len().checked_sub(ID_BYTES)?;
    let is_marked = start == 0 || scope[start - 1] == b'-';
    let is_id = is_marked && scope[start..].iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    is_id.then(|| text(&scope[start..start + ID_BYTES_SHOWN]))
}

/// `\x2d` is how systemd writes `-` in a name (systemd.unit(5)).
fn unescaped(name: &[u8]) -> String {
    text(name).replace("\\x2d", "-")
}

fn text(bytes: &[u8]) -> String {
    let mut name = String::new();
    set_text(&mut name, bytes, NAME_BYTES_MAX);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f0c3a5e9b6d7c8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081";

    #[test]
    fn each_manager_names_its_containers_in_its_own_way() {
        let short = &ID[..12];
        for (path, expected) in [
            (format!("/system.slice/docker-{ID}.scope"), Some(short)),
            (format!("/docker/{ID}"), Some(short)),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a_2b.slice/cri-containerd-{ID}.scope"
                ),
                Some(short),
            ),
            (format!("/kubepods/besteffort/pod0c-1d/{ID}"), Some(short)),
            (format!("/machine.slice/libpod-{ID}.scope/container"), Some(short)),
            (format!("/machine.slice/libpod-conmon-{ID}.scope"), None),
            (format!("/machine.slice/libpod-payload-{ID}"), Some(short)),
            ("/lxc/101/ns/init.scope".to_owned(), Some("101")),
            ("/lxc.payload.web/system.slice/nginx.service".to_owned(), Some("web")),
            ("/lxc.monitor.web".to_owned(), None),
            ("/machine.slice/systemd-nspawn@build\\x2d1.service/payload".to_owned(), Some("build-1")),
            ("/machine.slice/machine-old\\x2dhost.scope".to_owned(), Some("old-host")),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope".to_owned(), None),
            ("/system.slice/nginx.service".to_owned(), None),
            (format!("/x{ID}"), None),
            ("/".to_owned(), None),
            ("".to_owned(), None),
        ] {
            assert_eq!(container(path.as_bytes()).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_process_has_its_innermost_unit_in_all_layouts() {
        let v2 = place(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service\n");
        assert_eq!(v2, Place { unit: Some("editor.service".to_owned()), container: None });
        let v1 = b"12:pids:/system.slice/nginx.service\n4:memory:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n";
        assert_eq!(place(v1).unit.as_deref(), Some("nginx.service"));
        assert_eq!(place(b"0::/\n"), Place::default());
        assert_eq!(place(b"\xff:\n::::\n0"), Place::default());
    }
}
