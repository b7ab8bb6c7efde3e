//! Every metric, in one table. Names are Prometheus style with base units (bytes, seconds, ratio
//! from 0 to 1); what cloud services call them, in other units, stands in [`alias`]. Receive is
//! towards the host.

pub mod alias;

pub use alias::{ALIASES, Alias};

use serde::Serialize;
use std::collections::HashMap;
use std::sync::OnceLock;
use utoipa::ToSchema;

/// What a metric means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = MetricMeaning)]
pub struct Metric {
    /// Prometheus style: `disk_used_ratio`.
    pub name: &'static str,
    /// `ratio`, `bytes`, `bytes/s`, `1/s`, `seconds`, `days`, `celsius`, `watts`, `hertz`, `count`.
    pub unit: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Where it stands among the others: `cpu`, `memory`, `disk`, `network`, `process`,
    /// `container`, `hardware`, `host`, `probe`.
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
const CELSIUS: (&str, f64) = ("celsius", 1_000.0);
const WATTS: (&str, f64) = ("watts", 1e5);
const HERTZ: (&str, f64) = ("hertz", 1e12);
/// Disks go on counting when more is used up than their makers promise.
const PART: (&str, f64) = ("ratio", 100.0);
const DAYS: (&str, f64) = ("days", 1e6);

/// Every metric, in the order in which they are shown; one a line.
#[rustfmt::skip]
pub const CATALOGUE: &[Metric] = &[
    row("cpu_usage_ratio", RATIO, "cpu", None, "Share of all CPU time that was not idle and not waiting for disks."),
    row("cpu_mode_ratio", RATIO, "cpu", Some("mode"), "Share of all CPU time by what it was spent on; steal is time that the hypervisor gave to others."),
    row("cpu_other_ratio", RATIO, "cpu", None, "Share of all CPU time that was neither user, system nor idle."),
    row("cpu_guest_ratio", RATIO, "cpu", None, "Share of all CPU time in which virtual machines ran on this host; part of user and nice."),
    row("cpu_core_max_ratio", RATIO, "cpu", None, "Usage of the busiest core."),
    row("cpu_count", COUNT, "cpu", None, "Cores on line."),
    row("context_switches_rate", PER_S, "cpu", None, "Context switches."),
    row("load1", COUNT, "cpu", None, "Tasks that ran or waited for a CPU or a disk, average of 1 minute; not divided by the cores."),
    row("load5", COUNT, "cpu", None, "As load1, of 5 minutes."),
    row("load15", COUNT, "cpu", None, "As load1, of 15 minutes."),
    row("load1_per_core", COUNT, "cpu", None, "load1 divided by the cores."),
    row("load5_per_core", COUNT, "cpu", None, "load5 divided by the cores."),
    row("load15_per_core", COUNT, "cpu", None, "load15 divided by the cores."),
    row("pressure_cpu_some_ratio", RATIO, "cpu", None, "Share of time in which at least one task waited for a CPU."),
    row("memory_used_ratio", RATIO, "memory", None, "Share of memory that could not be given to a new program."),
    row("memory_available_bytes", BYTES, "memory", None, "Memory that could be given to a new program without swapping."),
    row("memory_total_bytes", BYTES, "memory", None, "Memory that the kernel manages."),
    row("memory_free_bytes", BYTES, "memory", None, "Memory not used for anything, caches included."),
    row("memory_buffers_bytes", BYTES, "memory", None, "Buffers of block devices."),
    row("memory_cached_bytes", BYTES, "memory", None, "File contents kept in memory."),
    row("memory_slab_bytes", BYTES, "memory", None, "The kernel's own structures."),
    row("memory_dirty_bytes", BYTES, "memory", None, "Written by programs, not yet on disk."),
    row("swap_total_bytes", BYTES, "memory", None, "Swap space."),
    row("swap_used_bytes", BYTES, "memory", None, "Swap space in use."),
    row("swap_used_ratio", RATIO, "memory", None, "Share of the swap space that is in use."),
    row("major_page_faults_rate", PER_S, "memory", None, "Page faults that had to read from disk."),
    row("oom_kills_total", COUNT, "memory", None, "Processes that the kernel has killed for want of memory since the host was started."),
    row("pressure_memory_some_ratio", RATIO, "memory", None, "Share of time in which at least one task waited for memory."),
    row("pressure_memory_full_ratio", RATIO, "memory", None, "Share of time in which all tasks waited for memory."),
    row("disk_used_ratio", RATIO, "disk", Some("mount"), "Share of a file system that is in use, of what users may fill."),
    row("disk_free_bytes", BYTES, "disk", Some("mount"), "What users may still write to a file system."),
    row("disk_total_bytes", BYTES, "disk", Some("mount"), "Size of a file system."),
    row("disk_used_bytes", BYTES, "disk", Some("mount"), "What is in use of a file system."),
    row("disk_device_used_ratio", RATIO, "disk", Some("device"), "Share of a block device that is in use, of what users may fill."),
    row("disk_all_used_ratio", RATIO, "disk", None, "Share in use of all file systems together."),
    row("disk_inodes_used_ratio", RATIO, "disk", Some("mount"), "Share of the files that a file system can have."),
    row("disk_inodes_used", COUNT, "disk", Some("mount"), "Files in a file system."),
    row("disk_inodes_total", COUNT, "disk", Some("mount"), "Files that a file system can have."),
    row("disk_read_only", COUNT, "disk", Some("mount"), "1 when a file system refuses writes, else 0."),
    row("disk_io_read_bytes_rate", BYTES_PER_S, "disk", Some("device"), "Bytes read from a disk."),
    row("disk_io_write_bytes_rate", BYTES_PER_S, "disk", Some("device"), "Bytes written to a disk."),
    row("disk_io_read_requests_rate", PER_S, "disk", Some("device"), "Reads completed by a disk."),
    row("disk_io_write_requests_rate", PER_S, "disk", Some("device"), "Writes completed by a disk."),
    row("disk_io_read_wait_seconds", SECONDS, "disk", Some("device"), "What a read took on average, waiting included."),
    row("disk_io_write_wait_seconds", SECONDS, "disk", Some("device"), "What a write took on average, waiting included."),
    row("disk_io_utilization_ratio", RATIO, "disk", Some("device"), "Share of time in which a disk had work."),
    row("disk_io_queue_length", COUNT, "disk", Some("device"), "Requests under way, on average."),
    row("disk_io_service_seconds", SECONDS, "disk", Some("device"), "Time in which a disk had work, per request."),
    row("disk_io_read_size_bytes", BYTES, "disk", Some("device"), "Bytes of a read, on average."),
    row("disk_io_write_size_bytes", BYTES, "disk", Some("device"), "Bytes of a write, on average."),
    row("disk_all_read_bytes_rate", BYTES_PER_S, "disk", None, "Bytes read from all disks."),
    row("disk_all_write_bytes_rate", BYTES_PER_S, "disk", None, "Bytes written to all disks."),
    row("disk_all_read_requests_rate", PER_S, "disk", None, "Reads completed by all disks."),
    row("disk_all_write_requests_rate", PER_S, "disk", None, "Writes completed by all disks."),
    row("pressure_io_some_ratio", RATIO, "disk", None, "Share of time in which at least one task waited for a disk."),
    row("pressure_io_full_ratio", RATIO, "disk", None, "Share of time in which all tasks waited for a disk."),
    row("network_receive_bytes_rate", BYTES_PER_S, "network", Some("interface"), "Bytes that came in."),
    row("network_transmit_bytes_rate", BYTES_PER_S, "network", Some("interface"), "Bytes that went out."),
    row("network_receive_packets_rate", PER_S, "network", Some("interface"), "Packets that came in."),
    row("network_transmit_packets_rate", PER_S, "network", Some("interface"), "Packets that went out."),
    row("network_receive_errors_rate", PER_S, "network", Some("interface"), "Packets that came in damaged."),
    row("network_transmit_errors_rate", PER_S, "network", Some("interface"), "Packets that could not be sent."),
    row("network_receive_drops_rate", PER_S, "network", Some("interface"), "Packets that came in and were dropped for want of room."),
    row("network_transmit_drops_rate", PER_S, "network", Some("interface"), "Packets dropped before they were sent."),
    row("network_receive_errors_ratio", RATIO, "network", Some("interface"), "Share of the packets that came in damaged."),
    row("network_transmit_errors_ratio", RATIO, "network", Some("interface"), "Share of the packets to be sent that could not be."),
    row("network_receive_drops_ratio", RATIO, "network", Some("interface"), "Share of the packets that came in and were dropped."),
    row("network_transmit_drops_ratio", RATIO, "network", Some("interface"), "Share of the packets to be sent that were dropped."),
    row("network_all_receive_bytes_rate", BYTES_PER_S, "network", None, "Bytes that came in over all interfaces; bridges, bonds and tunnels, which pass on what others carry, are left out."),
    row("network_all_transmit_bytes_rate", BYTES_PER_S, "network", None, "Bytes that went out over all interfaces, likewise."),
    row("tcp_connections", COUNT, "network", Some("state"), "TCP sockets by state, IPv4 and IPv6. Where the kernel does not count close_wait by itself, established includes it."),
    row("tcp_sockets", COUNT, "network", None, "TCP sockets of any state."),
    row("tcp_retransmit_ratio", RATIO, "network", None, "Share of the TCP segments sent that were sent again."),
    row("conntrack_entries", COUNT, "network", None, "Connections that the packet filter tracks."),
    row("conntrack_used_ratio", RATIO, "network", None, "Share of the connections that the packet filter can track; new ones are dropped when it is full."),
    row("process_count", COUNT, "process", None, "Processes, kernel threads included."),
    row("processes", COUNT, "process", Some("state"), "Processes by state."),
    row("processes_created_rate", PER_S, "process", None, "Processes and threads made."),
    row("open_files", COUNT, "process", None, "File handles in use on the whole host."),
    row("open_files_limit", COUNT, "process", None, "File handles that there may be."),
    row("open_files_ratio", RATIO, "process", None, "Share of the file handles that there may be."),
    row("container_cpu_ratio", CORES, "container", Some("container"), "CPU time of a container, as a share of one core."),
    row("container_throttled_ratio", CORES, "container", Some("container"), "Time in which a container was held back because its share of CPU time was used up, as a share of one core."),
    row("container_memory_bytes", BYTES, "container", Some("container"), "Memory of a container, without file contents that can be dropped at once."),
    row("container_memory_limit_bytes", BYTES, "container", Some("container"), "The most memory that a container may use; absent without a limit."),
    row("container_memory_used_ratio", RATIO, "container", Some("container"), "Share of the memory that a container may use."),
    row("container_read_bytes_rate", BYTES_PER_S, "container", Some("container"), "Bytes that a container read from disks."),
    row("container_write_bytes_rate", BYTES_PER_S, "container", Some("container"), "Bytes that a container wrote to disks."),
    row("container_tasks", COUNT, "container", Some("container"), "Processes and threads of a container."),
    row("container_oom_kills_total", COUNT, "container", Some("container"), "Processes of a container that were killed for want of memory since it was started."),
    row("containers", COUNT, "container", None, "Containers that are there; at most 64 are measured."),
    row("temperature_celsius", CELSIUS, "hardware", Some("sensor"), "What a thermometer of the machine shows; below zero is not shown."),
    row("memory_errors_corrected_total", COUNT, "hardware", None, "Memory errors that were corrected since the host was started."),
    row("memory_errors_uncorrected_total", COUNT, "hardware", None, "Memory errors that were not corrected since the host was started."),
    row("infiniband_down", COUNT, "hardware", None, "1 when a port of an InfiniBand card is not active, else 0."),
    row("smart_failing", COUNT, "hardware", Some("device"), "1 when a disk says of itself that it will fail, else 0."),
    row("smart_temperature_celsius", CELSIUS, "hardware", Some("device"), "Temperature of a disk."),
    row("smart_power_on_seconds", SECONDS, "hardware", Some("device"), "How long a disk has been under power in its life."),
    row("smart_reallocated_sectors", COUNT, "hardware", Some("device"), "Sectors that a disk has replaced because they were bad."),
    row("smart_pending_sectors", COUNT, "hardware", Some("device"), "Sectors that a disk could not read and will replace."),
    row("smart_media_errors", COUNT, "hardware", Some("device"), "Reads of a disk that failed for good."),
    row("smart_used_ratio", PART, "hardware", Some("device"), "Share of the life that a disk's maker promises that is used up; may pass 1."),
    row("gpu_usage_ratio", RATIO, "hardware", Some("gpu"), "Share of time in which a graphics processor worked."),
    row("gpu_memory_used_bytes", BYTES, "hardware", Some("gpu"), "Memory of a graphics processor in use."),
    row("gpu_memory_free_bytes", BYTES, "hardware", Some("gpu"), "Memory of a graphics processor not in use."),
    row("gpu_memory_used_ratio", RATIO, "hardware", Some("gpu"), "Share of the memory of a graphics processor that is in use."),
    row("gpu_temperature_celsius", CELSIUS, "hardware", Some("gpu"), "Temperature of a graphics processor."),
    row("gpu_power_watts", WATTS, "hardware", Some("gpu"), "Power that a graphics processor draws."),
    row("gpu_performance_state", COUNT, "hardware", Some("gpu"), "0 when a graphics processor is set to its fastest, up to 15."),
    row("gpu_clock_graphics_hertz", HERTZ, "hardware", Some("gpu"), "Clock of the shaders."),
    row("gpu_clock_sm_hertz", HERTZ, "hardware", Some("gpu"), "Clock of the streaming multiprocessors."),
    row("gpu_clock_memory_hertz", HERTZ, "hardware", Some("gpu"), "Clock of the memory."),
    row("gpu_clock_video_hertz", HERTZ, "hardware", Some("gpu"), "Clock of the video coders."),
    row("gpu_ecc_corrected", COUNT, "hardware", Some("gpu"), "Memory errors that were corrected since the driver was loaded."),
    row("gpu_ecc_uncorrected", COUNT, "hardware", Some("gpu"), "Memory errors that were not corrected since the driver was loaded."),
    row("gpu_ecc_corrected_ever", COUNT, "hardware", Some("gpu"), "Memory errors that were corrected in the life of the card."),
    row("gpu_ecc_uncorrected_ever", COUNT, "hardware", Some("gpu"), "Memory errors that were not corrected in the life of the card."),
    row("gpu_retired_pages_single_bit", COUNT, "hardware", Some("gpu"), "Memory pages given up after single-bit errors."),
    row("gpu_retired_pages_double_bit", COUNT, "hardware", Some("gpu"), "Memory pages given up after double-bit errors."),
    row("clock_offset_seconds", SECONDS, "host", None, "How far the clock was off when it was last set right, early or late."),
    row("clock_error_seconds", SECONDS, "host", None, "The most that the clock may be wrong by; grows while nothing keeps it right."),
    row("clock_synchronised", COUNT, "host", None, "1 when something keeps the clock right, else 0."),
    row("uptime_seconds", SECONDS, "host", None, "Since the host was started."),
    row("agent_cpu_ratio", CORES, "host", None, "CPU time that Palisade's agent used, as a share of one core."),
    row("agent_memory_bytes", BYTES, "host", None, "Memory that Palisade's agent holds."),
    row("agent_rejected_values", COUNT, "host", None, "Values of this sample that were thrown away: a counter that fell, or an impossible size."),
    row("agent_limit_step", COUNT, "host", None, "How much the agent's sampler leaves out to stay within its budget: 0 nothing, 1 file counts, 2 I/O of processes, 3 processes but once a minute, 4 processes."),
    row("watch_processes", COUNT, "process", Some("watch"), "Processes that a ProcessWatch means; 0 when none runs."),
    row("watch_cpu_ratio", CORES, "process", Some("watch"), "CPU time that they used, as a share of one core."),
    row("watch_memory_bytes", BYTES, "process", Some("watch"), "Memory that they hold."),
    row("watch_open_files", COUNT, "process", Some("watch"), "Files that they have open."),
    row("watch_threads", COUNT, "process", Some("watch"), "Their threads."),
    row("watch_io_bytes_rate", BYTES_PER_S, "process", Some("watch"), "Bytes that they read from disks and write to them."),
    row("watch_restarts_total", COUNT, "process", Some("watch"), "Processes of the watch that were seen to be started since the agent was."),
    row("host_up", COUNT, "host", None, "1 when the server could read the figures of a host without an agent, else 0."),
    row("host_login_seconds", SECONDS, "host", None, "What logging in to a host without an agent took."),
    row("probe_up", COUNT, "probe", Some("probe"), "1 when the target of a probe answered as expected, else 0."),
    row("probe_duration_seconds", SECONDS, "probe", Some("probe"), "What a look took, up to its timeout."),
    row("probe_http_status", COUNT, "probe", Some("probe"), "The status of an HTTP answer."),
    row("probe_tls_days_left", DAYS, "probe", Some("probe"), "Days until the first certificate of a chain ends; 0 when one has."),
    row("probe_dns_answers", COUNT, "probe", Some("probe"), "Records in the answer of a DNS server."),
];

const fn row(
    name: &'static str,
    unit: (&'static str, f64),
    group: &'static str,
    label: Option<&'static str>,
    help: &'static str,
) -> Metric {
    Metric { name, unit: unit.0, help, group, label, max: unit.1 }
}

/// The metric of this name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    // every value of every frame passes here
    static BY_NAME: OnceLock<HashMap<&str, &Metric>> = OnceLock::new();
    BY_NAME.get_or_init(|| CATALOGUE.iter().map(|m| (m.name, m)).collect()).get(name).copied()
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
    if let Some(metric) = metric(name) {
        return Some(Meant { metric, label: None, factor: 1.0 });
    }
    let alias = ALIASES.iter().find(|alias| alias.name == name)?;
    Some(Meant { metric: metric(alias.metric)?, label: alias.label, factor: alias.factor })
}

/// A metric as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Metric)]
pub struct MetricView {
    /// The metric.
    #[serde(flatten)]
    pub metric: Metric,
    /// What cloud services call it, or a series of it.
    pub aliases: Vec<Alias>,
}

/// Every metric with its other names.
pub fn views() -> Vec<MetricView> {
    CATALOGUE.iter().map(|&metric| MetricView { metric, aliases: alias::of(metric.name).copied().collect() }).collect()
}

/// Up to three names that the asked one may have meant, by name or by alias.
pub fn nearest(asked: &str) -> Vec<&'static str> {
    let asked: String = asked.chars().take(64).flat_map(char::to_lowercase).collect();
    let likeness = |m: &Metric| {
        let aliases = alias::of(m.name).map(|alias| strsim::jaro_winkler(&asked, &alias.name.to_lowercase()));
        aliases.fold(strsim::jaro_winkler(&asked, m.name), f64::max)
    };
    let mut by_likeness: Vec<_> = CATALOGUE.iter().map(|m| (likeness(m), m.name)).filter(|(l, _)| *l > 0.75).collect();
    by_likeness.sort_by(|a, b| b.0.total_cmp(&a.0));
    by_likeness.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_there_once_and_means_a_series_that_can_be() {
        let mut names = HashSet::new();
        let all = CATALOGUE.iter().map(|m| m.name).chain(ALIASES.iter().map(|a| a.name));
        for name in all {
            assert!(names.insert(name), "{name} stands there twice");
            let meant = meant(name).expect(name);
            assert!(meant.factor.is_finite() && meant.factor > 0.0, "{name}");
            assert!(meant.label.is_none() || meant.metric.label.is_some(), "{name} names a label that is not there");
        }
    }

    #[test]
    fn values_are_converted_to_the_unit_of_the_name() {
        for (name, metric, label, ours, theirs) in [
            ("cpu_util", "cpu_usage_ratio", None, 0.25, 25.0),
            ("cpu_usage_iowait", "cpu_mode_ratio", Some("iowait"), 0.5, 50.0),
            ("mem_available", "memory_available_bytes", None, 3_221_225_472.0, 3.0),
            ("net_bitRecv", "network_receive_bytes_rate", None, 125.0, 1_000.0),
            ("net_bitSent", "network_transmit_bytes_rate", None, 125.0, 1_000.0),
            ("disk_readTime", "disk_io_read_wait_seconds", None, 0.004, 4.0),
            ("net_tcp_sys_sent", "tcp_connections", Some("syn_sent"), 7.0, 7.0),
            ("load_average1", "load1_per_core", None, 0.5, 0.5),
            ("ntp_offset", "clock_offset_seconds", None, 0.002, 2.0),
            ("gpu_used_mem", "gpu_memory_used_bytes", None, 1_048_576.0, 1.0),
            ("load1", "load1", None, 3.0, 3.0),
        ] {
            let meant = meant(name).expect(name);
            assert_eq!((meant.metric.name, meant.label), (metric, label), "{name}");
            assert!((ours * meant.factor - theirs).abs() < 1e-9, "{name}");
        }
        assert_eq!(meant("proc_0123_cpu"), None);
    }

    #[test]
    fn a_slip_in_a_service_name_finds_the_metric() {
        assert_eq!(nearest("mem_usedpercnt").first(), Some(&"memory_used_ratio"));
    }
}
