//! Every metric, in one table. Names are Prometheus style with base units (bytes, seconds, ratio
//! from 0 to 1); the alias is what cloud services call it, whose unit may be another (percent,
//! gigabytes, bits). Receive is towards the host.

use serde::Serialize;
use utoipa::ToSchema;

/// What a metric means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Metric {
    /// Prometheus style: `disk_used_ratio`.
    pub name: &'static str,
    /// What cloud services call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<&'static str>,
    /// `ratio`, `bytes`, `bytes/s`, `1/s`, `seconds`, `days`, `count`.
    pub unit: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Where it stands among the others: `cpu`, `memory`, `disk`, `network`, `process`, `host`,
    /// `probe`.
    pub group: &'static str,
    /// What tells its series apart; absent when there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'static str>,
    /// More than this is impossible: such a value is thrown away and counted.
    #[serde(skip)]
    pub max: f64,
}

const RATIO: (&str, f64) = ("ratio", 1.0);
const CORES: (&str, f64) = ("ratio", 8_192.0);
const BYTES: (&str, f64) = ("bytes", 1e18);
/// A terabyte a second.
const BYTES_PER_S: (&str, f64) = ("bytes/s", 1e12);
const PER_S: (&str, f64) = ("1/s", 1e9);
const COUNT: (&str, f64) = ("count", 1e15);
const SECONDS: (&str, f64) = ("seconds", 1e10);
const DAYS: (&str, f64) = ("days", 1e6);

/// Every metric, in the order in which they are shown; one a line.
#[rustfmt::skip]
pub const CATALOGUE: &[Metric] = &[
    row("cpu_usage_ratio", Some("cpu_usage"), RATIO, "cpu", None, "Share of all CPU time that was not idle and not waiting for disks."),
    row("cpu_mode_ratio", Some("cpu_usage_user, _system, _nice, _idle, _iowait, _irq, _softirq"), RATIO, "cpu", Some("mode"), "Share of all CPU time by what it was spent on; steal is time that the hypervisor gave to others."),
    row("cpu_core_max_ratio", None, RATIO, "cpu", None, "Usage of the busiest core."),
    row("cpu_count", None, COUNT, "cpu", None, "Cores on line."),
    row("context_switches_rate", None, PER_S, "cpu", None, "Context switches."),
    row("load1", Some("load_average1"), COUNT, "cpu", None, "Tasks that ran or waited for a CPU or a disk, average of 1 minute; not divided by the cores."),
    row("load5", Some("load_average5"), COUNT, "cpu", None, "As load1, of 5 minutes."),
    row("load15", Some("load_average15"), COUNT, "cpu", None, "As load1, of 15 minutes."),
    row("pressure_cpu_some_ratio", None, RATIO, "cpu", None, "Share of time in which at least one task waited for a CPU."),
    row("memory_used_ratio", Some("mem_usedPercent"), RATIO, "memory", None, "Share of memory that could not be given to a new program."),
    row("memory_available_bytes", Some("mem_available"), BYTES, "memory", None, "Memory that could be given to a new program without swapping."),
    row("memory_total_bytes", Some("mem_total"), BYTES, "memory", None, "Memory that the kernel manages."),
    row("memory_free_bytes", Some("mem_free"), BYTES, "memory", None, "Memory not used for anything, caches included."),
    row("memory_buffers_bytes", Some("mem_buffers"), BYTES, "memory", None, "Buffers of block devices."),
    row("memory_cached_bytes", Some("mem_cached"), BYTES, "memory", None, "File contents kept in memory."),
    row("memory_slab_bytes", None, BYTES, "memory", None, "The kernel's own structures."),
    row("memory_dirty_bytes", None, BYTES, "memory", None, "Written by programs, not yet on disk."),
    row("swap_total_bytes", Some("swap_total"), BYTES, "memory", None, "Swap space."),
    row("swap_used_bytes", Some("swap_used"), BYTES, "memory", None, "Swap space in use."),
    row("major_page_faults_rate", None, PER_S, "memory", None, "Page faults that had to read from disk."),
    row("oom_kills_total", None, COUNT, "memory", None, "Processes that the kernel has killed for want of memory since the host was started."),
    row("pressure_memory_some_ratio", None, RATIO, "memory", None, "Share of time in which at least one task waited for memory."),
    row("pressure_memory_full_ratio", None, RATIO, "memory", None, "Share of time in which all tasks waited for memory."),
    row("disk_used_ratio", Some("disk_usedPercent"), RATIO, "disk", Some("mount"), "Share of a file system that is in use, of what users may fill."),
    row("disk_free_bytes", Some("disk_free"), BYTES, "disk", Some("mount"), "What users may still write to a file system."),
    row("disk_total_bytes", Some("disk_total"), BYTES, "disk", Some("mount"), "Size of a file system."),
    row("disk_inodes_used_ratio", Some("disk_inodesUsedPercent"), RATIO, "disk", Some("mount"), "Share of the files that a file system can have."),
    row("disk_read_only", Some("disk_fs_rwstate"), COUNT, "disk", Some("mount"), "1 when a file system refuses writes, else 0."),
    row("disk_io_read_bytes_rate", Some("disk_agt_read_bytes_rate"), BYTES_PER_S, "disk", Some("device"), "Bytes read from a disk."),
    row("disk_io_write_bytes_rate", Some("disk_agt_write_bytes_rate"), BYTES_PER_S, "disk", Some("device"), "Bytes written to a disk."),
    row("disk_io_read_requests_rate", Some("disk_agt_read_requests_rate"), PER_S, "disk", Some("device"), "Reads completed by a disk."),
    row("disk_io_write_requests_rate", Some("disk_agt_write_requests_rate"), PER_S, "disk", Some("device"), "Writes completed by a disk."),
    row("disk_io_read_wait_seconds", Some("disk_readTime"), SECONDS, "disk", Some("device"), "What a read took on average, waiting included."),
    row("disk_io_write_wait_seconds", Some("disk_writeTime"), SECONDS, "disk", Some("device"), "What a write took on average, waiting included."),
    row("disk_io_utilization_ratio", Some("disk_ioUtils"), RATIO, "disk", Some("device"), "Share of time in which a disk had work."),
    row("disk_io_queue_length", Some("disk_queue_length"), COUNT, "disk", Some("device"), "Requests under way, on average."),
    row("pressure_io_some_ratio", None, RATIO, "disk", None, "Share of time in which at least one task waited for a disk."),
    row("pressure_io_full_ratio", None, RATIO, "disk", None, "Share of time in which all tasks waited for a disk."),
    row("network_receive_bytes_rate", Some("net_bitRecv"), BYTES_PER_S, "network", Some("interface"), "Bytes that came in."),
    row("network_transmit_bytes_rate", Some("net_bitSent"), BYTES_PER_S, "network", Some("interface"), "Bytes that went out."),
    row("network_receive_packets_rate", Some("net_packetRecv"), PER_S, "network", Some("interface"), "Packets that came in."),
    row("network_transmit_packets_rate", Some("net_packetSent"), PER_S, "network", Some("interface"), "Packets that went out."),
    row("network_receive_errors_rate", Some("net_errin"), PER_S, "network", Some("interface"), "Packets that came in damaged."),
    row("network_transmit_errors_rate", Some("net_errout"), PER_S, "network", Some("interface"), "Packets that could not be sent."),
    row("network_receive_drops_rate", Some("net_dropin"), PER_S, "network", Some("interface"), "Packets that came in and were dropped for want of room."),
    row("network_transmit_drops_rate", Some("net_dropout"), PER_S, "network", Some("interface"), "Packets dropped before they were sent."),
    row("tcp_connections", Some("net_tcp_established, _time_wait, _listen"), COUNT, "network", Some("state"), "TCP sockets by state, IPv4 and IPv6; established includes close-wait."),
    row("tcp_sockets", Some("net_tcp_total"), COUNT, "network", None, "TCP sockets of any state but time-wait."),
    row("tcp_retransmit_ratio", Some("net_tcp_retrans"), RATIO, "network", None, "Share of the TCP segments sent that were sent again."),
    row("process_count", Some("proc_total_count"), COUNT, "process", None, "Processes, kernel threads included."),
    row("processes", Some("proc_running_count, _idle, _zombie, _blocked, _sleeping"), COUNT, "process", Some("state"), "Processes by state."),
    row("processes_created_rate", None, PER_S, "process", None, "Processes and threads made."),
    row("open_files", Some("total_open_files"), COUNT, "process", None, "File handles in use on the whole host."),
    row("open_files_limit", None, COUNT, "process", None, "File handles that there may be."),
    row("uptime_seconds", None, SECONDS, "host", None, "Since the host was started."),
    row("agent_cpu_ratio", None, CORES, "host", None, "CPU time that Palisade's agent used, as a share of one core."),
    row("agent_memory_bytes", None, BYTES, "host", None, "Memory that Palisade's agent holds."),
    row("agent_rejected_values", None, COUNT, "host", None, "Values of this sample that were thrown away: a counter that fell, or an impossible size."),
    row("host_up", None, COUNT, "host", None, "1 when the server could read the figures of a host without an agent, else 0."),
    row("host_login_seconds", None, SECONDS, "host", None, "What logging in to a host without an agent took."),
    row("probe_up", None, COUNT, "probe", Some("probe"), "1 when the target of a probe answered as expected, else 0."),
    row("probe_duration_seconds", None, SECONDS, "probe", Some("probe"), "What a look took, up to its timeout."),
    row("probe_http_status", None, COUNT, "probe", Some("probe"), "The status of an HTTP answer."),
    row("probe_tls_days_left", None, DAYS, "probe", Some("probe"), "Days until the first certificate of a chain ends; 0 when one has."),
    row("probe_dns_answers", None, COUNT, "probe", Some("probe"), "Records in the answer of a DNS server."),
];

const fn row(
    name: &'static str,
    alias: Option<&'static str>,
    unit: (&'static str, f64),
    group: &'static str,
    label: Option<&'static str>,
    help: &'static str,
) -> Metric {
    Metric { name, alias, unit: unit.0, help, group, label, max: unit.1 }
}

/// The metric of this name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    CATALOGUE.iter().find(|m| m.name == name)
}

/// What a name means: a metric of ours, or what a cloud service calls one (or one series of it), in its
/// own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Meant {
    /// The metric.
    pub metric: &'static Metric,
    /// The one value of its label that is meant; all if absent.
    pub label: Option<&'static str>,
    /// Times this is the value in the unit of the name that was asked for.
    pub factor: f64,
}

/// What `name` means.
pub fn meant(name: &str) -> Option<Meant> {
    metric(name).map(|metric| Meant { metric, label: None, factor: 1.0 })
}

/// Up to three names that the asked one may have meant, by name or by alias.
pub fn nearest(asked: &str) -> Vec<&'static str> {
    let asked: String = asked.chars().take(64).flat_map(char::to_lowercase).collect();
    let likeness = |m: &Metric| {
        let alias = m.alias.map_or(0.0, |alias| strsim::jaro_winkler(&asked, &alias.to_lowercase()));
        strsim::jaro_winkler(&asked, m.name).max(alias)
    };
    let mut by_likeness: Vec<_> = CATALOGUE.iter().map(|m| (likeness(m), m.name)).filter(|(l, _)| *l > 0.75).collect();
    by_likeness.sort_by(|a, b| b.0.total_cmp(&a.0));
    by_likeness.into_iter().take(3).map(|(_, name)| name).collect()
}
