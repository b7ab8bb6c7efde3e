//! What the mission's cloud service calls its server metrics, and in which unit: each name means one
//! metric of ours, or one value of its label, times a factor.
//!
//! **Decided here.** A gigabyte is 1,024³ bytes and a megabyte 1,024², for what the service divides
//! are kibibytes of the kernel. The service's load averages are per core. Its text for `net_bitRecv` says
//! outgoing and for `net_bitSent` incoming; the names are right and the text is not: received is
//! what came in. `ntp_offset` is a distance here, never negative. `cpu_usage_other` is what is left
//! of user, system and idle. The rates of errors and drops are shares of packets. `disk_util_inband`
//! and the `network_…` and `disk_…` names without an `agt` are of the whole host.
//!
//! Not here: `proc_HASH_cpu` and its kind, whose names are made for each process; names of the
//! graphics processors' coders and buses, and of neural processors.

use serde::Serialize;
use utoipa::ToSchema;

/// A name of the service.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Alias {
    /// `disk_usedPercent`.
    pub name: &'static str,
    /// The metric that it means.
    #[serde(skip)]
    pub metric: &'static str,
    /// The one value of the metric's label that it means; all of them if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'static str>,
    /// The unit of the service: `%`, `GB`, `bit/s`.
    pub unit: &'static str,
    /// Times this our value is the service's.
    #[serde(skip)]
    pub factor: f64,
}

const PERCENT: (&str, f64) = ("%", 100.0);
const GIB: (&str, f64) = ("GB", 1.0 / (1_u64 << 30) as f64);
const MIB: (&str, f64) = ("MB", 1.0 / (1_u64 << 20) as f64);
const BYTES: (&str, f64) = ("byte", 1.0);
const BYTES_PER_S: (&str, f64) = ("byte/s", 1.0);
const BITS_PER_S: (&str, f64) = ("bit/s", 8.0);
const REQUESTS_PER_S: (&str, f64) = ("request/s", 1.0);
const PACKETS_PER_S: (&str, f64) = ("count/s", 1.0);
const MS: (&str, f64) = ("ms", 1_000.0);
const COUNT: (&str, f64) = ("count", 1.0);
const PLAIN: (&str, f64) = ("", 1.0);
const CELSIUS: (&str, f64) = ("°C", 1.0);
const WATTS: (&str, f64) = ("W", 1.0);
const MHZ: (&str, f64) = ("MHz", 1e-6);

/// Every name of the service, one a line.
#[rustfmt::skip]
pub const ALIASES: &[Alias] = &[
    // Basic monitoring.
    alias("cpu_util", "cpu_usage_ratio", None, PERCENT),
    alias("mem_util", "memory_used_ratio", None, PERCENT),
    alias("disk_util_inband", "disk_all_used_ratio", None, PERCENT),
    alias("disk_read_bytes_rate", "disk_all_read_bytes_rate", None, BYTES_PER_S),
    alias("disk_write_bytes_rate", "disk_all_write_bytes_rate", None, BYTES_PER_S),
    alias("disk_read_requests_rate", "disk_all_read_requests_rate", None, REQUESTS_PER_S),
    alias("disk_write_requests_rate", "disk_all_write_requests_rate", None, REQUESTS_PER_S),
    alias("network_incoming_bytes_rate_inband", "network_all_receive_bytes_rate", None, BYTES_PER_S),
    alias("network_incoming_bytes_aggregate_rate", "network_all_receive_bytes_rate", None, BYTES_PER_S),
    alias("network_outgoing_bytes_rate_inband", "network_all_transmit_bytes_rate", None, BYTES_PER_S),
    alias("network_outgoing_bytes_aggregate_rate", "network_all_transmit_bytes_rate", None, BYTES_PER_S),
    alias("ib_card_state", "infiniband_down", None, PLAIN),
    // CPU and load.
    alias("cpu_usage", "cpu_usage_ratio", None, PERCENT),
    alias("cpu_usage_idle", "cpu_mode_ratio", Some("idle"), PERCENT),
    alias("cpu_usage_user", "cpu_mode_ratio", Some("user"), PERCENT),
    alias("cpu_usage_system", "cpu_mode_ratio", Some("system"), PERCENT),
    alias("cpu_usage_nice", "cpu_mode_ratio", Some("nice"), PERCENT),
    alias("cpu_usage_iowait", "cpu_mode_ratio", Some("iowait"), PERCENT),
    alias("cpu_usage_irq", "cpu_mode_ratio", Some("irq"), PERCENT),
    alias("cpu_usage_softirq", "cpu_mode_ratio", Some("softirq"), PERCENT),
    alias("cpu_usage_other", "cpu_other_ratio", None, PERCENT),
    alias("load_average1", "load1_per_core", None, PLAIN),
    alias("load_average5", "load5_per_core", None, PLAIN),
    alias("load_average15", "load15_per_core", None, PLAIN),
    // Memory and files.
    alias("mem_available", "memory_available_bytes", None, GIB),
    alias("mem_free", "memory_free_bytes", None, GIB),
    alias("mem_buffers", "memory_buffers_bytes", None, GIB),
    alias("mem_cached", "memory_cached_bytes", None, GIB),
    alias("mem_usedPercent", "memory_used_ratio", None, PERCENT),
    alias("total_open_files", "open_files", None, COUNT),
    // File systems and disks.
    alias("disk_free", "disk_free_bytes", None, GIB),
    alias("disk_total", "disk_total_bytes", None, GIB),
    alias("disk_used", "disk_used_bytes", None, GIB),
    alias("disk_usedPercent", "disk_used_ratio", None, PERCENT),
    alias("disk_device_used_percent", "disk_device_used_ratio", None, PERCENT),
    alias("disk_fs_rwstate", "disk_read_only", None, PLAIN),
    alias("disk_rwstate", "disk_read_only", None, PLAIN),
    alias("disk_inodesTotal", "disk_inodes_total", None, COUNT),
    alias("disk_inodesUsed", "disk_inodes_used", None, COUNT),
    alias("disk_inodesUsedPercent", "disk_inodes_used_ratio", None, PERCENT),
    alias("disk_agt_read_bytes_rate", "disk_io_read_bytes_rate", None, BYTES_PER_S),
    alias("disk_agt_write_bytes_rate", "disk_io_write_bytes_rate", None, BYTES_PER_S),
    alias("disk_agt_read_requests_rate", "disk_io_read_requests_rate", None, REQUESTS_PER_S),
    alias("disk_agt_write_requests_rate", "disk_io_write_requests_rate", None, REQUESTS_PER_S),
    alias("disk_readTime", "disk_io_read_wait_seconds", None, MS),
    alias("disk_writeTime", "disk_io_write_wait_seconds", None, MS),
    alias("disk_ioUtils", "disk_io_utilization_ratio", None, PERCENT),
    alias("disk_queue_length", "disk_io_queue_length", None, COUNT),
    alias("disk_read_bytes_per_operation", "disk_io_read_size_bytes", None, BYTES),
    alias("disk_write_bytes_per_operation", "disk_io_write_size_bytes", None, BYTES),
    alias("disk_io_svctm", "disk_io_service_seconds", None, MS),
    // Network.
    alias("net_bitRecv", "network_receive_bytes_rate", None, BITS_PER_S),
    alias("net_bitSent", "network_transmit_bytes_rate", None, BITS_PER_S),
    alias("net_packetRecv", "network_receive_packets_rate", None, PACKETS_PER_S),
    alias("net_packetSent", "network_transmit_packets_rate", None, PACKETS_PER_S),
    alias("net_errin", "network_receive_errors_ratio", None, PERCENT),
    alias("net_errout", "network_transmit_errors_ratio", None, PERCENT),
    alias("net_dropin", "network_receive_drops_ratio", None, PERCENT),
    alias("net_dropout", "network_transmit_drops_ratio", None, PERCENT),
    alias("net_tcp_total", "tcp_sockets", None, COUNT),
    alias("net_tcp_established", "tcp_connections", Some("established"), COUNT),
    alias("net_tcp_fin_wait1", "tcp_connections", Some("fin_wait1"), COUNT),
    alias("net_tcp_fin_wait2", "tcp_connections", Some("fin_wait2"), COUNT),
    alias("net_tcp_time_wait", "tcp_connections", Some("time_wait"), COUNT),
    alias("net_tcp_close", "tcp_connections", Some("close"), COUNT),
    alias("net_tcp_close_wait", "tcp_connections", Some("close_wait"), COUNT),
    alias("net_tcp_last_ack", "tcp_connections", Some("last_ack"), COUNT),
    alias("net_tcp_listen", "tcp_connections", Some("listen"), COUNT),
    alias("net_tcp_closing", "tcp_connections", Some("closing"), COUNT),
    alias("net_tcp_sys_sent", "tcp_connections", Some("syn_sent"), COUNT),
    alias("net_tcp_syn_sent", "tcp_connections", Some("syn_sent"), COUNT),
    alias("net_tcp_sys_recv", "tcp_connections", Some("syn_recv"), COUNT),
    alias("net_tcp_syn_recv", "tcp_connections", Some("syn_recv"), COUNT),
    alias("net_tcp_retrans", "tcp_retransmit_ratio", None, PERCENT),
    alias("ntp_offset", "clock_offset_seconds", None, MS),
    // Processes.
    alias("proc_total_count", "process_count", None, COUNT),
    alias("proc_running_count", "processes", Some("running"), COUNT),
    alias("proc_idle_count", "processes", Some("idle"), COUNT),
    alias("proc_zombie_count", "processes", Some("zombie"), COUNT),
    alias("proc_blocked_count", "processes", Some("blocked"), COUNT),
    alias("proc_sleeping_count", "processes", Some("sleeping"), COUNT),
    alias("proc_specified_count", "watch_processes", None, COUNT),
    alias("specified_process_file", "watch_open_files", None, COUNT),
    // Graphics processors.
    alias("gpu_usage_gpu", "gpu_usage_ratio", None, PERCENT),
    alias("gpu_usage_mem", "gpu_memory_used_ratio", None, PERCENT),
    alias("gpu_used_mem", "gpu_memory_used_bytes", None, MIB),
    alias("gpu_free_mem", "gpu_memory_free_bytes", None, MIB),
    alias("gpu_temperature", "gpu_temperature_celsius", None, CELSIUS),
    alias("gpu_power_draw", "gpu_power_watts", None, WATTS),
    alias("gpu_graphics_clocks", "gpu_clock_graphics_hertz", None, MHZ),
    alias("gpu_sm_clocks", "gpu_clock_sm_hertz", None, MHZ),
    alias("gpu_video_clocks", "gpu_clock_video_hertz", None, MHZ),
    alias("gpu_mem_clocks", "gpu_clock_memory_hertz", None, MHZ),
    alias("gpu_volatile_correctable", "gpu_ecc_corrected", None, COUNT),
    alias("gpu_volatile_uncorrectable", "gpu_ecc_uncorrected", None, COUNT),
    alias("gpu_aggregate_correctable", "gpu_ecc_corrected_ever", None, COUNT),
    alias("gpu_aggregate_uncorrectable", "gpu_ecc_uncorrected_ever", None, COUNT),
    alias("gpu_retired_page_single_bit", "gpu_retired_pages_single_bit", None, COUNT),
    alias("gpu_retired_page_double_bit", "gpu_retired_pages_double_bit", None, COUNT),
];

const fn alias(
    name: &'static str,
    metric: &'static str,
    label: Option<&'static str>,
    unit: (&'static str, f64),
) -> Alias {
    Alias { name, metric, label, unit: unit.0, factor: unit.1 }
}

/// The names that mean a metric.
pub fn of(metric: &str) -> impl Iterator<Item = &'static Alias> {
    ALIASES.iter().filter(move |alias| alias.metric == metric)
}
