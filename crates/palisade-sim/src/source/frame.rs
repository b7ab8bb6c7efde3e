//! A record of the monitor guard, as an agent writes it, with as many series as asked for.

use palisade_core::Timestamp;
use serde_json::{Map, Value, json};

/// Metrics with one series, and the largest value that stands in a frame.
const SINGLE: &[(&str, f64)] = &[
    ("cpu_usage_ratio", 1.0),
    ("cpu_core_max_ratio", 1.0),
    ("cpu_count", 16.0),
    ("context_switches_rate", 9e4),
    ("load1", 9.0),
    ("load5", 9.0),
    ("load15", 9.0),
    ("pressure_cpu_some_ratio", 1.0),
    ("memory_used_ratio", 1.0),
    ("memory_available_bytes", 6e10),
    ("memory_total_bytes", 6e10),
    ("memory_free_bytes", 6e10),
    ("memory_buffers_bytes", 6e9),
    ("memory_cached_bytes", 6e10),
    ("memory_slab_bytes", 6e9),
    ("memory_dirty_bytes", 6e7),
    ("swap_total_bytes", 6e9),
    ("swap_used_bytes", 6e9),
    ("major_page_faults_rate", 900.0),
    ("oom_kills_total", 9.0),
    ("pressure_memory_some_ratio", 1.0),
    ("pressure_memory_full_ratio", 1.0),
    ("pressure_io_some_ratio", 1.0),
    ("pressure_io_full_ratio", 1.0),
    ("tcp_sockets", 900.0),
    ("tcp_retransmit_ratio", 1.0),
    ("process_count", 900.0),
    ("processes_created_rate", 90.0),
    ("open_files", 9e4),
    ("open_files_limit", 9e5),
    ("uptime_seconds", 9e6),
    ("agent_cpu_ratio", 1.0),
    ("agent_memory_bytes", 4e7),
];
/// Metrics with one series per disk, file system or interface.
const MANY: &[(&str, &str, f64)] = &[
    ("disk_used_ratio", "mount", 1.0),
    ("disk_free_bytes", "mount", 9e12),
    ("disk_total_bytes", "mount", 9e12),
    ("disk_inodes_used_ratio", "mount", 1.0),
    ("disk_io_read_bytes_rate", "device", 9e8),
    ("disk_io_write_bytes_rate", "device", 9e8),
    ("disk_io_read_requests_rate", "device", 9e4),
    ("disk_io_write_requests_rate", "device", 9e4),
    ("disk_io_utilization_ratio", "device", 1.0),
    ("network_receive_bytes_rate", "interface", 9e8),
    ("network_transmit_bytes_rate", "interface", 9e8),
    ("network_receive_packets_rate", "interface", 9e5),
    ("network_transmit_packets_rate", "interface", 9e5),
];
const TOP: usize = 10;
/// The metric whose values [`cpu_share`] gives.
pub const CPU: &str = "cpu_usage_ratio";
/// So many frames in a row have the same busy share.
const BLOCK: u64 = 3;

/// The series of a frame, by name; the server counts them, so that a metric that it does not know
/// would show.
pub fn keys(series: usize) -> Vec<String> {
    let single = SINGLE.iter().map(|(name, _)| (*name).to_owned());
    let many =
        (0..).flat_map(|n| MANY.iter().map(move |(name, label, _)| format!("{name}{{{label}=\"{label}-{n}\"}}")));
    single.chain(many).take(series).collect()
}

fn largest(key: &str) -> f64 {
    let name = key.split('{').next().unwrap_or(key);
    let many = MANY.iter().map(|(name, _, largest)| (name, largest));
    SINGLE.iter().map(|(name, largest)| (name, largest)).chain(many).find(|(n, _)| **n == name).map_or(1.0, |(_, l)| *l)
}

/// The busy share of the processor of a host in its frame of this number: the same for three frames,
/// then another without a rule; never a half, and low at first.
pub fn cpu_share(host: u64, number: u64) -> f64 {
    let block = number / BLOCK;
    let mut mixed = (host * 1_000_003 + block).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let share = ((mixed >> 33) % 997) as f64 / 997.0;
    if block == 0 { share / 3.0 } else { share }
}

/// The frame that ends a step at `at`; host and number make it differ from others.
pub fn frame(keys: &[String], at: Timestamp, step_s: u32, (host, frame): (u64, u64)) -> Value {
    let number = host + 31 * frame;
    let share = |n: u64| ((number * 7_919 + n * 104_729) % 9_973) as f64 / 9_973.0;
    let mut metrics: Map<String, Value> =
        (0..).zip(keys).map(|(n, key)| (key.clone(), json!(share(n) * largest(key)))).collect();
    if let Some(cpu) = metrics.get_mut(CPU) {
        *cpu = json!(cpu_share(host, frame));
    }
    let top: Vec<Value> = (0..TOP).map(|n| process(n as u64, share(n as u64))).collect();
    json!({ "at": at, "interval_s": step_s, "step_s": step_s, "live": false, "metrics": metrics, "by_cpu": top, "by_memory": top, "missing": [] })
}

fn process(n: u64, share: f64) -> Value {
    json!({
        "pid": 1_000 + n, "name": format!("worker-{n}"), "user": "www-data",
        "cmdline": format!("/usr/sbin/worker --instance {n} --foreground"), "cpu": share, "rss_bytes": 40_000_000 + n * 4_096,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_frame_has_as_many_different_series_as_asked_for() {
        for series in [1, 33, 120, 500] {
            let frame = frame(&keys(series), Timestamp::UNIX_EPOCH, 60, (7, 0));
            assert_eq!(frame["metrics"].as_object().unwrap().len(), series);
            assert!(frame["metrics"].as_object().unwrap().values().all(|v| v.as_f64().unwrap() >= 0.0));
        }
        assert_eq!(keys(500).iter().collect::<BTreeSet<_>>().len(), 500);
    }
}
