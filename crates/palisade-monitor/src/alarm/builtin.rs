//! The rules that one click switches on, and the templates that rules may follow: quiet on a healthy
//! host, loud on a sick one. Each says why.
//!
//! Load is left out on purpose: it counts tasks, not harm. Pressure (the share of time in which work
//! stood still) says what load was meant to say, on one core and on a hundred.
//!
//! Periods are of a minute or more, not single samples: a host that is sampled every second must not
//! be louder than one that is sampled every minute. What is hard work rather than harm (a backup at
//! night) comes with the digest and wakes nobody, and CPUs may be busy for half an hour.

use super::rule::{Policy, RuleSpec};
use serde_json::{Value, json};

/// A rule of ours: its name, why, and the rest of its spec.
type Row = (&'static str, &'static str, fn() -> Value);

/// Media that somebody has put in are as full as they are.
const NOT_MEDIA: &str = "!~/(media|cdrom)(/.*)?";
/// Kernels fill a boot partition: full says something, nearly full does not.
const NOT_BOOT: &str = "!~/(media|cdrom|boot|efi)(/.*)?";
/// What is often mounted to be read only.
const NOT_SEALED: &str = "!~/(boot|efi|snap|usr|nix|media|cdrom|mnt)(/.*)?";

/// Every rule of the set, in the order in which it is shown.
const ROWS: &[Row] = &[
    (
        "basics-host-silent",
        "The host, its agent or the network between has gone: nothing else can be known of it. Those that fall silent together are told together.",
        || json!({ "severity": "critical", "settle": "45s", "cause": false, "event": { "kind": "frame.host.silent", "clear": "frame.host.back", "severity": "high" } }),
    ),
    ("basics-disk-full", "What writes to a full file system fails, databases first.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_used_ratio", "labels": { "mount": NOT_MEDIA }, "operator": ">=", "threshold": 0.97, "recover": 0.95, "period": "1m", "count": 3, "severity": "critical" },
        ] })
    }),
    ("basics-disk-filling", "Time to tidy up or to grow the disk, before it is full.", || {
        json!({ "severity": "medium", "urgency": "digest", "policies": [
            { "metric": "disk_used_ratio", "labels": { "mount": NOT_BOOT }, "operator": ">=", "threshold": 0.90, "recover": 0.87, "period": "5m", "count": 3 },
        ] })
    }),
    ("basics-inodes", "Without inodes no file can be made, however much room there is.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_inodes_used_ratio", "operator": ">=", "threshold": 0.95, "recover": 0.90, "period": "1m", "count": 3 },
        ] })
    }),
    ("basics-read-only", "The kernel makes a file system read-only when its disk fails.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "disk_read_only", "labels": { "mount": NOT_SEALED }, "statistic": "min", "operator": "==", "threshold": 1.0, "period": "1m", "count": 3 },
        ] })
    }),
    (
        "basics-memory",
        "So little memory is left that the kernel will soon kill a process, or all work waits for memory.",
        || {
            json!({ "severity": "high", "policies": [
            { "metric": "memory_used_ratio", "operator": ">=", "threshold": 0.97, "recover": 0.93, "period": "1m", "count": 5 },
            { "metric": "pressure_memory_full_ratio", "operator": ">=", "threshold": 0.20, "recover": 0.10, "period": "1m", "count": 3 },
        ] })
        },
    ),
    ("basics-oom", "The kernel has killed a process for want of memory.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "oom_kills_total", "statistic": "latest", "operator": "rise", "threshold": 0.0001, "period": "1m", "count": 1 },
        ] })
    }),
    ("basics-swap-storm", "Pages are read back from disk all the time: work stands still for want of memory.", || {
        json!({ "severity": "high", "policies": [
            { "metric": "pressure_memory_some_ratio", "operator": ">=", "threshold": 0.40, "recover": 0.20, "period": "1m", "count": 10 },
        ] })
    }),
    ("basics-cpu", "Tasks wait for a CPU nearly all the time, and have for half an hour.", || {
        json!({ "severity": "medium", "policies": [
            { "metric": "pressure_cpu_some_ratio", "operator": ">=", "threshold": 0.80, "recover": 0.60, "period": "1m", "count": 30 },
            { "metric": "cpu_usage_ratio", "operator": ">=", "threshold": 0.95, "recover": 0.85, "period": "1m", "count": 30 },
        ] })
    }),
    ("basics-disk-io", "All work waits for a disk: it is overloaded or dying.", || {
        json!({ "severity": "medium", "urgency": "digest", "policies": [
            { "metric": "pressure_io_full_ratio", "operator": ">=", "threshold": 0.60, "recover": 0.40, "period": "1m", "count": 15 },
        ] })
    }),
    ("basics-no-data", "The host is there and its agent sends no samples: a sampler that hangs.", || {
        json!({ "severity": "medium", "cause": false, "settle": "60s", "no_data": { "after": "10m", "treat": "alarm" }, "policies": [
            { "metric": "uptime_seconds", "statistic": "latest", "operator": "<", "threshold": 0.0, "count": 1 },
        ] })
    }),
    ("basics-clock", "A wrong clock breaks sign-in, certificates and every comparison of logs.", || {
        json!({ "severity": "low", "urgency": "digest", "cause": false, "policies": [
            { "metric": "clock_synchronised", "statistic": "max", "operator": "<", "threshold": 1.0, "period": "20m", "count": 3 },
        ] })
    }),
    ("basics-processes", "None of the processes that shall run is there.", || {
        json!({ "severity": "high", "cause": false, "policies": [
            { "metric": "watch_processes", "statistic": "max", "operator": "<", "threshold": 1.0, "period": "1m", "count": 2 },
        ] })
    }),
    ("basics-probe", "A service does not answer from outside.", || {
        json!({ "severity": "high", "cause": false, "policies": [
            { "metric": "probe_up", "statistic": "max", "operator": "<", "threshold": 1.0, "period": "1m", "count": 2 },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::rule::Matcher;

    #[test]
    fn no_rule_on_a_measured_value_goes_by_less_than_a_minute() {
        for (name, spec) in rules().iter().filter(|(name, _)| !["basics-no-data", "basics-certificate"].contains(name))
        {
            for policy in &spec.policies {
                assert!(policy.period.seconds() >= 60, "{name}: {policy:?} is as quick as the host is sampled");
            }
        }
    }

    #[test]
    fn what_is_full_or_sealed_on_ordinary_servers_is_left_out_and_the_rest_is_not() {
        for (pattern, held, left_out) in [
            (NOT_MEDIA, vec!["/", "/boot", "/mnt/data", "/srv"], vec!["/media/usb", "/cdrom"]),
            (NOT_BOOT, vec!["/", "/mnt/data", "/bootstrap"], vec!["/boot", "/boot/efi", "/efi"]),
            (NOT_SEALED, vec!["/", "/srv", "/var/lib/mysql", "/usrlocal"], vec!["/usr", "/snap/core/1", "/mnt/image"]),
        ] {
            let matcher = Matcher::new(pattern).expect("it is one of ours");
            assert!(held.iter().all(|mount| matcher.holds(mount)), "{pattern}");
            assert!(!left_out.iter().any(|mount| matcher.holds(mount)), "{pattern}");
        }
    }
}
