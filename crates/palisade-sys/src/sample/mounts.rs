//! Which file systems hold data (mountinfo, proc(5)), and how full they are.

use super::fields::{lines, set_text, words};
use super::kept::{Kept, why};
use super::rows::Rows;
use super::space::{Space, Statvfs, Worker};
use super::{Missing, Sample};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// More file systems than these are left out.
pub const MOUNTS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 256;

/// A mounted file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Where; of a device mounted at several places, the first.
    pub point: String,
    /// What: `/dev/sda1`, `server:/export`.
    pub device: String,
    /// `ext4`, `nfs4`.
    pub kind: String,
    /// True if this mount, or the file system itself, refuses writes.
    pub read_only: bool,
    /// How full; absent when it did not answer in time.
    pub space: Option<Space>,
}

/// File systems that answer from the network or from a program, and so may never answer.
const REMOTE: [&str; 10] = ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs", "lustre", "ncpfs"];
/// File systems of disks, and the few others that hold data.
const LOCAL: [&str; 18] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs",
    "ntfs3", "ocfs2", "gfs2", "virtiofs", "tmpfs",
];
/// Below these are the mounts of the system itself, of containers and of sessions.
const LEFT_OUT: [&str; 11] = [
    "/dev",
    "/proc",
    "/sys",
    "/run/user",
    "/run/credentials",
    "/run/lock",
    "/run/containerd",
    "/run/netns",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/kubelet",
];

/// Follows the mounts of a host.
pub struct Mounts {
    root: PathBuf,
    file: Kept,
    polled: bool,
    known: Option<Vec<Mount>>,
    local: Worker,
    remote: Worker,
}

impl Mounts {
    /// Below `root`; nothing is read yet.
    pub fn new(root: &Path, statvfs: Statvfs) -> Mounts {
        Mounts {
            root: root.to_owned(),
            file: Kept::new(root.join("proc/self/mountinfo")),
            polled: false,
            known: None,
            local: Worker::new(statvfs),
            remote: Worker::new(statvfs),
        }
    }

    /// Parses mountinfo again only when the kernel says that it has changed (poll, proc(5)).
    pub fn watch_changes(&mut self) {
        self.polled = true;
    }

    /// Adds the mounts and what is known of their space within the time limit.
    pub fn take(&mut self, buffer: &mut Vec<u8>, into: &mut Sample) {
        if self.known.is_none() || self.has_changed() {
            match self.file.read(buffer) {
                Ok(text) => self.know(parse(text)),
                Err(error) => {
                    into.missing.push(Missing { file: "self/mountinfo", why: why(&error) });
                    self.known = None;
                    return;
                }
            }
        }
        // both are asked before either is waited for
        self.local.ask();
        self.remote.ask();
        for worker in [&mut self.local, &mut self.remote] {
            if let Some(point) = worker.wait() {
                into.missing.push(Missing { file: "self/mountinfo", why: "a file system did not answer in time" });
                into.mount_silent = Some(point);
            }
        }
        for known in self.known.iter().flatten() {
            let space =
                if is_remote(&known.kind) { self.remote.space(&known.point) } else { self.local.space(&known.point) };
            add(known, space, &mut into.mounts);
        }
    }

    fn know(&mut self, mounts: Vec<Mount>) {
        let paths = |remote: bool| {
            let of_kind = mounts.iter().filter(|m| is_remote(&m.kind) == remote);
            of_kind.filter_map(|m| Some((m.point.clone(), below(&self.root, &m.point)?))).collect()
        };
        let (local, remote) = (paths(false), paths(true));
        self.local.set_paths(local);
        self.remote.set_paths(remote);
        self.known = Some(mounts);
    }

    fn has_changed(&self) -> bool {
        let Some(file) = self.file.file().filter(|_| self.polled) else { return true };
        let mut polled = [nix::poll::PollFd::new(file.as_fd(), nix::poll::PollFlags::POLLPRI)];
        let answered = nix::poll::poll(&mut polled, nix::poll::PollTimeout::ZERO);
        answered != Ok(0)
    }
}

fn below(root: &Path, point: &str) -> Option<CString> {
    CString::new(root.join(point.trim_start_matches('/')).as_os_str().as_bytes()).ok()
}

fn add(known: &Mount, space: Option<Space>, into: &mut Rows<Mount>) {
    let row = into.add();
    for (to, from) in [(&mut row.point, &known.point), (&mut row.device, &known.device), (&mut row.kind, &known.kind)] {
        to.clear();
        to.push_str(from);
    }
    row.space = space;
    row.read_only = known.read_only;
}

fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind) || kind.starts_with("fuse.")
}

fn is_counted(kind: &str, point: &str) -> bool {
    let below = |dir: &str| point.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let holds_data =
        LOCAL.contains(&kind) || is_remote(kind) || kind == "fuseblk" || (kind == "overlay" && point == "/");
    holds_data && !LEFT_OUT.iter().any(|dir| below(dir))
}

/// `36 35 98:0 /root /point options optional-fields - kind device super-options`, by mount point.
pub(super) fn parse(text: &[u8]) -> Vec<Mount> {
    let mut mounts: Vec<(Vec<u8>, Mount)> = Vec::new();
    for line in lines(text) {
        let Some((number, mount)) = parse_line(line) else { continue };
        if !is_counted(&mount.kind, &mount.point) {
            continue;
        }
        // what is mounted over another hides it
        mounts.retain(|(_, before)| before.point != mount.point);
        let bound_already = mounts.iter().any(|(n, before)| *n == number && before.kind == mount.kind);
        if !bound_already && mounts.len() < MOUNTS_MAX {
            mounts.push((number, mount));
        }
    }
    mounts.into_iter().map(|(_, mount)| mount).collect()
}

fn parse_line(line: &[u8]) -> Option<(Vec<u8>, Mount)> {
    let mut words = words(line);
    let number = words.nth(2)?.to_vec();
    let point = words.nth(1)?;
    words.find(|word| *word == b"-")?;
    let (kind, device, super_options) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    // the file system's own option, not the mount's: a confined service sees everything mounted ro
    let read_only = super_options.split(|&b| b == b',').any(|o| o == b"ro");
    let mut mount = Mount { read_only, ..Mount::default() };
    mount.point = unescape(&point[..point.len().min(4 * TEXT_BYTES_MAX)]);
    mount.device = unescape(&device[..device.len().min(TEXT_BYTES_MAX)]);
    set_text(&mut mount.kind, kind, 32);
    (mount.point.starts_with('/') && mount.point.len() <= TEXT_BYTES_MAX).then_some((number, mount))
}

/// `\040` is a blank: three octal digits after a backslash (fstab(5), getmntent(3)).
pub(super) fn unescape(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut left = bytes;
    while let [first, rest @ ..] = left {
        let octal =
            rest.get(..3).filter(|d| *first == b'\\' && d[0] < b'4' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        match octal {
            Some(digits) => {
                out.push(digits.iter().fold(0, |n, d| n * 8 + (d - b'0')));
                left = &rest[3..];
            }
            None => {
                out.push(*first);
                left = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
