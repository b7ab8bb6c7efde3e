//! The rules that one click switches on, and the templates that rules may follow: quiet on a healthy
//! host, loud on a sick one. Each says why.
//!
//! Load is left out on purpose: it counts tasks, not harm. Pressure (the share of time in which work
//! stood still) says what load was meant to say, on one core and on a hundred.

use super::rule::{Policy, RuleSpec};
use serde_json::{Value, json};

/// A rule of ours: its name, why, and the rest of its spec.
type Row = (&'static str, &'static str, fn() -> Value);

/// Every rule of the set, in the order in which it is shown.
const ROWS: &[Row] = &[
    (
        "basics-host-silent",
        "The host, its agent or the network between has gone: nothing else can be known of it. Those that fall silent together are told together.",
        || json!({ "severity": "critical", "settle": "45s", "cause": false, "event": { "kind": "frame.host.silent", "clear": "frame.host.back", "severity": "high" } }),
    ),
    ("basics-disk-full", "What writes to a full file system fails, databases first.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_used_ratio", "operator": ">=", "threshold": 0.97, "recover": 0.95, "count": 3, "severity": "critical" },
        ] })
    }),
    ("basics-disk-filling", "Time to tidy up or to grow the disk, before it is full.", || {
        json!({ "severity": "medium", "urgency": "digest", "policies": [
            { "metric": "disk_used_ratio", "operator": ">=", "threshold": 0.90, "recover": 0.87, "period": "5m", "count": 3 },
        ] })
    }),
    ("basics-inodes", "Without inodes no file can be made, however much room there is.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_inodes_used_ratio", "operator": ">=", "threshold": 0.95, "recover": 0.90, "count": 3 },
        ] })
    }),
    ("basics-read-only", "The kernel makes a file system read-only when its disk fails.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_read_only", "labels": { "mount": "!~/(boot|snap|usr|nix|media|mnt)(/.*)?" }, "statistic": "max", "operator": "==", "threshold": 1.0, "count": 3 },
        ] })
    }),
    (
        "basics-memory",
        "So little memory is left that the kernel will soon kill a process, or all work waits for memory.",
        || {
            json!({ "severity": "high", "policies": [
            { "metric": "memory_used_ratio", "operator": ">=", "threshold": 0.97, "recover": 0.93, "count": 5 },
            { "metric": "pressure_memory_full_ratio", "operator": ">=", "threshold": 0.20, "recover": 0.10, "count": 3 },
        ] })
        },
    ),
    ("basics-oom", "The kernel has killed a process for want of memory.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "oom_kills_total", "statistic": "latest", "operator": "rise", "threshold": 0.0001, "count": 1 },
        ] })
    }),
    ("basics-swap-storm", "Pages are read back from disk all the time: the host is busy with itself.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "major_page_faults_rate", "operator": ">=", "threshold": 1_000.0, "recover": 500.0, "count": 5 },
        ] })
    }),
    ("basics-cpu", "Tasks wait for a CPU nearly all the time, and have for a while.", || {
        json!({ "severity": "medium", "policies": [
            { "metric": "pressure_cpu_some_ratio", "operator": ">=", "threshold": 0.80, "recover": 0.60, "period": "1m", "count": 10 },
            { "metric": "cpu_usage_ratio", "operator": ">=", "threshold": 0.95, "recover": 0.85, "period": "1m", "count": 10 },
        ] })
    }),
    ("basics-disk-io", "All work waits for a disk: it is overloaded or dying.", || {
        json!({ "severity": "medium", "policies": [
            { "metric": "pressure_io_full_ratio", "operator": ">=", "threshold": 0.60, "recover": 0.40, "period": "1m", "count": 10 },
        ] })
    }),
    ("basics-no-data", "The host is there and its agent sends no samples: a sampler that hangs.", || {
        json!({ "severity": "medium", "cause": false, "settle": "60s", "no_data": { "after": "10m", "treat": "alarm" }, "policies": [
            { "metric": "uptime_seconds", "statistic": "latest", "operator": "<", "threshold": 0.0, "count": 1 },
        ] })
    }),
    ("basics-clock", "A wrong clock breaks sign-in, certificates and every comparison of logs.", || {
        json!({ "severity": "medium", "cause": false, "policies": [
            { "metric": "clock_synchronised", "statistic": "max", "operator": "<", "threshold": 1.0, "period": "20m", "count": 3 },
        ] })
    }),
    ("basics-processes", "None of the processes that shall run is there.", || {
        json!({ "severity": "high", "cause": false, "policies": [
            { "metric": "watch_processes", "statistic": "max", "operator": "<", "threshold": 1.0, "count": 2 },
        ] })
    }),
    ("basics-probe", "A service does not answer from outside.", || {
        json!({ "severity": "high", "cause": false, "policies": [
            { "metric": "probe_up", "statistic": "max", "operator": "<", "threshold": 1.0, "count": 2 },
        ] })
    }),
    (
        "basics-certificate",
        "A certificate ends within 14 days: renewing by itself has failed, or nobody has thought of it.",
        || {
            json!({ "severity": "high", "cause": false, "policies": [
            { "metric": "probe_tls_days_left", "statistic": "min", "operator": "<", "threshold": 14.0, "count": 2 },
        ] })
        },
    ),
];

/// The rules, by name. A policy on a metric that this version does not measure is left out, and a
/// rule without any is too.
pub fn rules() -> Vec<(&'static str, RuleSpec)> {
    let known = |policy: &Policy| crate::catalogue::meant(&policy.metric).is_some();
    let each = ROWS.iter().map(|(name, why, spec)| {
        let mut spec: RuleSpec = serde_json::from_value(spec()).expect("a test reads every row");
        spec.description = Some((*why).to_owned());
        spec.policies.retain(known);
        (*name, spec)
    });
    each.filter(|(_, spec)| !spec.policies.is_empty() || spec.event.is_some()).collect()
}

/// The policies of a built-in template: `server-basics` is all of them.
pub fn template(name: &str) -> Option<Vec<Policy>> {
    (name == SERVER_BASICS).then(|| {
        let own = rules().into_iter().flat_map(|(_, spec)| {
            spec.policies
                .into_iter()
                .map(move |policy| Policy { severity: policy.severity.or(Some(spec.severity)), ..policy })
        });
        own.filter(|policy| policy.threshold > 0.0).collect()
    })
}

/// The name of the template that holds every policy of the set.
pub const SERVER_BASICS: &str = "server-basics";
