//! Containers, by their cgroups: version 2 (Documentation/admin-guide/cgroup-v2.rst) and version 1.
//!
//! The tree is walked again only when the number of cgroups has changed, when a known container is
//! gone, and now and then; a sample otherwise reads the files of the known containers only.

use super::cgroup;
use super::fields::{lines, number, words};
use super::kept::{Kept, read_all};
use super::rows::Rows;
use std::fs::File;
use std::path::{Path, PathBuf};

/// More containers than this are not measured.
pub const CONTAINERS_MAX: usize = 64;
/// One walk looks into so many cgroups.
const WALKED_MAX: usize = 4_000;
const DEPTH_MAX: usize = 10;
/// The tree is walked again after this even if it seems unchanged.
const WALK_AGE_NS: u64 = 300 * 1_000_000_000;
/// Version 1 says this or more, in bytes, where there is no limit of memory.
const NO_LIMIT_BYTES: u64 = 1 << 60;

/// Counters and gauges of one container; what its kernel or its version of cgroups lacks is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// The first 12 characters of its id, or its name.
    pub name: String,
    /// CPU time it has used, microseconds.
    pub cpu_us: Option<u64>,
    /// Time in which it was not let run because its share was used up, microseconds.
    pub throttled_us: Option<u64>,
    /// Memory in use, without file contents that can be dropped at once.
    pub memory_bytes: Option<u64>,
    /// The most memory it may use; absent without a limit.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes read from disks.
    pub read_bytes: Option<u64>,
    /// Bytes written to disks.
    pub written_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Finds and reads containers below the tree of cgroups.
#[derive(Debug)]
pub struct Containers {
    root: PathBuf,
    version: Option<Version>,
    /// Says how many cgroups there are.
    count_file: Kept,
    count: Option<u64>,
    walked_at_ns: Option<u64>,
    /// Names, and paths below a controller's root.
    known: Vec<(String, PathBuf)>,
}

impl Containers {
    /// Of the tree at `root`.
    pub fn new(root: &Path) -> Containers {
        let cgroup = root.join("sys/fs/cgroup");
        let version = if cgroup.join("cgroup.controllers").exists() {
            Some(Version::Two)
        } else {
            V1_WALKED.iter().any(|c| cgroup.join(c).is_dir()).then_some(Version::One)
        };
        let count_file = match version {
            Some(Version::Two) => cgroup.join("cgroup.stat"),
            _ => root.join("proc/cgroups"),
        };
        Containers {
            root: cgroup,
            version,
            count_file: Kept::new(count_file),
            count: None,
            walked_at_ns: None,
            known: Vec::new(),
        }
    }

    /// Every container that is there.
    pub fn take(&mut self, boot_ns: u64, buffer: &mut Vec<u8>, into: &mut Rows<Container>) {
        let Some(version) = self.version else { return };
        let count = self.count_file.read(buffer).ok().and_then(|text| cgroups(version, text));
        let is_old = self.walked_at_ns.is_none_or(|at| boot_ns.saturating_sub(at) > WALK_AGE_NS);
        if is_old || count != self.count {
            self.walk(version, boot_ns);
        }
        self.count = count;
        let mut is_gone = false;
        for (name, path) in &self.known {
            let row = into.add();
            *row = Container { name: std::mem::take(&mut row.name), ..Container::default() };
            row.name.clone_from(name);
            match version {
                Version::One => version_1(&self.root, path, buffer, row),
                Version::Two => version_2(&self.root.join(path), buffer, row),
            }
            if row.cpu_us.is_none() && row.memory_bytes.is_none() && row.tasks.is_none() {
                into.drop_last();
                is_gone = true;
            }
        }
        if is_gone {
            self.walked_at_ns = None; // one that has taken its place comes with the next sample
        }
    }

    fn walk(&mut self, version: Version, boot_ns: u64) {
        self.known.clear();
        self.walked_at_ns = Some(boot_ns);
        let top = match version {
            Version::Two => Some(self.root.clone()),
            Version::One => V1_WALKED.iter().map(|c| self.root.join(c)).find(|path| path.is_dir()),
        };
        let Some(top) = top else { return };
        let mut open = vec![(PathBuf::new(), 0)];
        let mut walked = 0;
        while let Some((path, depth)) = open.pop() {
            walked += 1;
            if walked > WALKED_MAX || self.known.len() >= CONTAINERS_MAX {
                break;
            }
            self.look_into(&top, &path, depth, &mut open);
        }
        self.known.sort_unstable();
        self.known.truncate(CONTAINERS_MAX);
        self.known.dedup_by(|a, b| a.0 == b.0);
    }

    fn look_into(&mut self, top: &Path, path: &Path, depth: usize, open: &mut Vec<(PathBuf, usize)>) {
        let Ok(entries) = std::fs::read_dir(top.join(path)) else { return };
        let parent = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).take(WALKED_MAX) {
            let part = entry.file_name();
            let part = part.as_encoded_bytes();
            if let Some(name) = cgroup::name(&parent, part) {
                self.known.push((name, path.join(entry.file_name())));
            } else if depth < DEPTH_MAX
                && open.len() < WALKED_MAX
                && (!part.ends_with(b".service") || part.starts_with(b"user@"))
            {
                open.push((path.join(entry.file_name()), depth + 1));
            }
        }
    }
}

/// `nr_descendants 41` of version 2; `memory 4 25 1` of `/proc/cgroups`, where 25 is the number.
fn cgroups(version: Version, text: &[u8]) -> Option<u64> {
    match version {
        Version::Two => keyed(text, b"nr_descendants"),
        Version::One => lines(text)
            .filter(|line| V1_WALKED.iter().any(|c| words(line).next() == Some(c.as_bytes())))
            .find_map(|line| words(line).nth(2).and_then(number)),
    }
}

/// The controllers of version 1 whose trees show every container, the best first.
const V1_WALKED: [&str; 3] = ["memory", "cpuacct", "pids"];

fn version_2(path: &Path, buffer: &mut Vec<u8>, into: &mut Container) {
    if let Some(text) = read(&path.join("cpu.stat"), buffer) {
        into.cpu_us = keyed(text, b"usage_usec");
        into.throttled_us = keyed(text, b"throttled_usec");
    }
    let droppable = read(&path.join("memory.stat"), buffer).and_then(|text| keyed(text, b"inactive_file"));
    into.memory_bytes = one(&path.join("memory.current"), buffer).map(|n| n.saturating_sub(droppable.unwrap_or(0)));
    into.memory_limit_bytes = one(&path.join("memory.max"), buffer); // the word `max` is no number
    into.tasks = one(&path.join("pids.current"), buffer);
    into.oom_kills = read(&path.join("memory.events"), buffer).and_then(|text| keyed(text, b"oom_kill"));
    if let Some(text) = read(&path.join("io.stat"), buffer) {
        let sum = |key: &[u8]| lines(text).flat_map(words).filter_map(|w| number(w.strip_prefix(key)?)).sum();
        (into.read_bytes, into.written_bytes) = (Some(sum(b"rbytes=")), Some(sum(b"wbytes=")));
    }
}

fn version_1(root: &Path, path: &Path, buffer: &mut Vec<u8>, into: &mut Container) {
    let of = |controller: &str, file: &str| root.join(controller).join(path).join(file);
    into.cpu_us = one(&of("cpuacct", "cpuacct.usage"), buffer).map(|ns| ns / 1_000);
    let throttled_ns = read(&of("cpu", "cpu.stat"), buffer).and_then(|text| keyed(text, b"throttled_time"));
    into.throttled_us = throttled_ns.map(|ns| ns / 1_000);
    let droppable = read(&of("memory", "memory.stat"), buffer).and_then(|text| keyed(text, b"total_inactive_file"));
    let used = one(&of("memory", "memory.usage_in_bytes"), buffer);
    into.memory_bytes = used.map(|n| n.saturating_sub(droppable.unwrap_or(0)));
    into.memory_limit_bytes = one(&of("memory", "memory.limit_in_bytes"), buffer).filter(|&n| n < NO_LIMIT_BYTES);
    into.oom_kills = read(&of("memory", "memory.oom_control"), buffer).and_then(|text| keyed(text, b"oom_kill"));
    into.tasks = one(&of("pids", "pids.current"), buffer);
    if let Some(text) = read(&of("blkio", "blkio.throttle.io_service_bytes"), buffer) {
        let sum = |kind: &[u8]| {
            lines(text).filter(|l| words(l).nth(1) == Some(kind)).filter_map(|l| words(l).nth(2).and_then(number)).sum()
        };
        (into.read_bytes, into.written_bytes) = (Some(sum(b"Read")), Some(sum(b"Write")));
    }
}

fn read<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let length = read_all(&File::open(path).ok()?, buffer).ok()?;
    Some(&buffer[..length])
}

fn one(path: &Path, buffer: &mut Vec<u8>) -> Option<u64> {
    read(path, buffer).and_then(|text| number(text.trim_ascii()))
}

/// The number behind a word at the beginning of a line.
fn keyed(text: &[u8], key: &[u8]) -> Option<u64> {
    let line = lines(text).find(|line| words(line).next() == Some(key))?;
    words(line).nth(1).and_then(number)
}
