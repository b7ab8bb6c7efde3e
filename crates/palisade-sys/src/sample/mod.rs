//! One look at the counters of a running system: what node_exporter reads, by hand.
//!
//! Files of `/proc` stay open and are read again with `pread` into one buffer, and every row of a
//! [`Sample`] is reused, so that a sample allocates only when something has grown. Nothing is
//! computed here: rates, ratios and judgement belong to the reader of two samples.
//!
//! A file that the kernel does not have (no pressure information, no network) is named in
//! [`Sample::missing`], and its fields stay empty.

mod cgroup;
mod clock;
mod container;
mod diag;
mod disk;
mod fields;
mod fstab;
mod hardware;
mod kept;
mod kernel;
mod mounts;
mod network;
mod process;
mod rows;
mod space;
mod texts;
mod users;

pub use cgroup::{Place, place};
pub use clock::{WallClock, agent_use, boot_time_ns, clock_synchronised, thread_cpu_ns, wall_clock};
pub use container::{CONTAINERS_MAX, Container};
pub use diag::TcpStates;
pub use disk::Disk;
pub use fstab::{FstabEntry, fstab_parse};
pub use hardware::{Gpu, Hardware, Smart, Temperature, nvidia_parse, smart_parse};
pub use kernel::{CpuTimes, Kernel, Memory, Pressure};
pub use mounts::{MOUNTS_MAX, Mount};
pub use network::{Interface, Sockets, Tcp};
pub use process::{COMMAND_LINE_BYTES_MAX, Detail, Process, ProcessStates, State};
pub use rows::Rows;
pub use space::{ANSWER_LIMIT, Space, Statvfs, statvfs};

use crate::SysError;
use jiff::Timestamp;
use kept::Kept;
use std::path::Path;
use std::sync::Arc;

/// What the process that samples uses itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgentUse {
    /// CPU time since it was started, microseconds.
    pub cpu_us: u64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
}

/// A source that gave nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The file, below `/proc`.
    pub file: &'static str,
    /// Why: `absent`, `not readable`, `not understood`, or what a file system did not answer.
    pub why: &'static str,
}

/// Raw counters and gauges at one moment. Counters only ever rise until the host is started again.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Wall clock.
    pub at: Timestamp,
    /// CLOCK_BOOTTIME in nanoseconds: what intervals are measured with.
    pub boot_ns: u64,
    /// stat, loadavg, meminfo, vmstat, file-nr, uptime, pressure.
    pub kernel: Kernel,
    /// Whole disks of diskstats; partitions, loop and RAM disks are left out.
    pub disks: Rows<Disk>,
    /// Interfaces of net/dev; loopback and the host ends of containers are left out.
    pub interfaces: Rows<Interface>,
    /// net/snmp.
    pub tcp: Option<Tcp>,
    /// net/sockstat.
    pub sockets: Option<Sockets>,
    /// Listening TCP sockets, by netlink; absent where the kernel does not answer.
    pub tcp_listening: Option<u64>,
    /// TCP sockets in the states that are rare, likewise.
    pub tcp_states: Option<TcpStates>,
    /// What the kernel knows about the wall clock.
    pub wall_clock: Option<WallClock>,
    /// Containers, at most [`CONTAINERS_MAX`].
    pub containers: Rows<Container>,
    /// What the machine says of itself; empty unless [`Sampler::with_hardware`] was called.
    pub hardware: Arc<Hardware>,
    /// File systems that hold data.
    pub mounts: Rows<Mount>,
    /// A mount point that did not answer in time.
    pub mount_silent: Option<String>,
    /// Every process, by pid; empty unless [`Sampler::take_processes`] was called.
    pub processes: Rows<Process>,
    /// How many processes are in which state; absent unless processes were read.
    pub process_states: Option<ProcessStates>,
    /// What this process uses itself.
    pub agent: AgentUse,
    /// What gave nothing.
    pub missing: Vec<Missing>,
}

impl Sample {
    fn clear(&mut self) {
        self.kernel.clear();
        self.disks.clear();
        self.interfaces.clear();
        self.mounts.clear();
        self.processes.clear();
        self.containers.clear();
        self.missing.clear();
        (self.tcp, self.sockets, self.tcp_listening, self.tcp_states) = (None, None, None, None);
        (self.process_states, self.wall_clock, self.mount_silent) = (None, None, None);
    }
}

/// Fills its fields of the sample; false when the text makes no sense.
type Parse = fn(&[u8], &mut Sample) -> bool;

struct Source {
    name: &'static str,
    file: Kept,
    parse: Parse,
    /// Many hosts do not have it, which is not worth saying.
    optional: bool,
}

/// In the order in which they are read. `thread-self` because a network namespace belongs to a
/// thread, and `/proc/net` shows that of the first one.
const SOURCES: [(&str, Parse); 14] = [
    ("stat", |text, into| kernel::stat(text, &mut into.kernel)),
    ("meminfo", |text, into| kernel::meminfo(text, &mut into.kernel)),
    ("loadavg", |text, into| kernel::loadavg(text, &mut into.kernel)),
    ("vmstat", |text, into| kernel::vmstat(text, &mut into.kernel)),
    ("uptime", |text, into| kernel::uptime(text, &mut into.kernel)),
    ("sys/fs/file-nr", |text, into| kernel::file_nr(text, &mut into.kernel)),
    ("pressure/cpu", |text, into| kernel::pressure(text, &mut into.kernel.pressure_cpu)),
    ("pressure/memory", |text, into| kernel::pressure(text, &mut into.kernel.pressure_memory)),
    ("pressure/io", |text, into| kernel::pressure(text, &mut into.kernel.pressure_io)),
    ("diskstats", |text, into| disk::diskstats(text, &mut into.disks)),
    (NET_DEV, |text, into| network::dev(text, &mut into.interfaces)),
    ("thread-self/net/snmp", |text, into| network::snmp(text, &mut into.tcp)),
    ("thread-self/net/sockstat", |text, into| network::sockstat(text, &mut into.sockets)),
    ("self/statm", |text, into| kernel::statm(text, &mut into.agent)),
];
/// Only with a packet filter that tracks connections.
const OPTIONAL_SOURCES: [(&str, Parse); 2] = [
    ("sys/net/netfilter/nf_conntrack_count", |text, into| kernel::one_number(text, &mut into.kernel.conntrack)),
    ("sys/net/netfilter/nf_conntrack_max", |text, into| kernel::one_number(text, &mut into.kernel.conntrack_max)),
];
const NET_DEV: &str = "thread-self/net/dev";

/// Takes samples. Belongs to one thread.
pub struct Sampler {
    sources: Vec<Source>,
    mounts: mounts::Mounts,
    processes: process::Table,
    net_namespace: kept::Identity,
    diag: diag::Diag,
    containers: container::Containers,
    hardware: Option<hardware::Worker>,
    live: bool,
    buffer: Vec<u8>,
}

impl Sampler {
    /// Of the running system.
    pub fn live() -> Result<Sampler, SysError> {
        let mut sampler = Sampler::at(Path::new("/"), statvfs)?;
        sampler.mounts.watch_changes();
        sampler.diag = diag::Diag::live();
        sampler.live = true;
        Ok(sampler)
    }

    /// Measures the machine itself as well, in a thread of its own that ends with this sampler.
    pub fn with_hardware(mut self) -> Sampler {
        self.hardware = Some(hardware::Worker::start());
        self
    }

    /// Of a tree that has `proc` and `etc/passwd` in it; file systems are asked with `statvfs`.
    /// Nothing but that tree is touched, apart from the clocks and the use of this process.
    pub fn at(root: &Path, statvfs: Statvfs) -> Result<Sampler, SysError> {
        let proc = root.join("proc");
        let source = |optional: bool| {
            let proc = &proc;
            move |&(name, parse): &(&'static str, Parse)| Source {
                name,
                file: Kept::new(proc.join(name)),
                parse,
                optional,
            }
        };
        Ok(Sampler {
            sources: SOURCES.iter().map(source(false)).chain(OPTIONAL_SOURCES.iter().map(source(true))).collect(),
            mounts: mounts::Mounts::new(root, statvfs),
            processes: process::Table::open(root)?,
            net_namespace: kept::Identity::new(proc.join("thread-self/ns/net")),
            diag: diag::Diag::default(),
            containers: container::Containers::new(root),
            hardware: None,
            live: false,
            buffer: Vec::with_capacity(32 << 10),
        })
    }

    /// Everything but the processes. What was in `into` before is gone; its memory is used again.
    pub fn take_system(&mut self, into: &mut Sample) {
        into.clear();
        into.at = Timestamp::now();
        into.boot_ns = boot_time_ns();
        if self.net_namespace.has_changed() {
            // an open file shows the namespace that it was opened in
            self.sources.iter_mut().filter(|s| s.name.contains("/net/")).for_each(|s| s.file.close());
            self.diag.close();
        }
        into.agent.cpu_us = agent_use().cpu_us;
        for source in &mut self.sources {
            let why = match source.file.read(&mut self.buffer) {
                Ok(text) if (source.parse)(text, into) => continue,
                Ok(_) => "not understood",
                Err(_) if source.optional => continue,
                Err(error) => kept::why(&error),
            };
            into.missing.push(Missing { file: source.name, why });
        }
        into.tcp_listening = self.diag.listening(&mut self.buffer);
        into.tcp_states = self.diag.states(into.boot_ns, &mut self.buffer);
        into.wall_clock = if self.live { wall_clock().ok() } else { None };
        into.hardware = self.hardware.as_ref().map(hardware::Worker::newest).unwrap_or_default();
        if into.hardware.disks_closed {
            into.missing.push(Missing { file: "smartctl", why: "no disk could be read" });
        }
        self.containers.take(into.boot_ns, &mut self.buffer, &mut into.containers);
        self.mounts.take(&mut self.buffer, into);
    }

    /// Adds the processes to a sample.
    pub fn take_processes(&mut self, into: &mut Sample) {
        into.process_states = None;
        into.processes.clear();
        match self.processes.take(&mut self.buffer, &mut into.processes) {
            Ok(states) => into.process_states = Some(states),
            Err(error) => into.missing.push(Missing { file: "PID/stat", why: kept::why(&error) }),
        }
    }

    /// Whether the open files of processes are counted; they are at first. Before Linux 6.2 that
    /// walks through them one by one.
    pub fn count_open_files(&mut self, counts: bool) {
        self.processes.counts_open_files = counts;
    }

    /// Whose process it is and how it was called; `None` when it has ended since.
    pub fn detail(&mut self, process: &Process) -> Option<Detail> {
        self.processes.detail(process, &mut self.buffer)
    }
}
