//! What a process has used, from /proc (proc_pid_stat(5), proc_pid_status(5)).

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};
use std::collections::BTreeMap;

/// CPU time and memory of one process.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu_s: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// CPU time by name of thread, without the number at its end.
    pub threads: BTreeMap<String, f64>,
}

/// Of the process with this number.
pub fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("reading /proc/{pid}/{file}"))
    };
    let per_s = sysconf(SysconfVar::CLK_TCK)?.context("the kernel's clock tick is not known")? as f64;
    let status = read("status")?;
    let resident_kb: Option<u64> =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB").parse().ok());
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // a thread may end while we look
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let name = name(&stat).trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        *threads.entry(name).or_default() += ticks(&stat) / per_s;
    }
    Ok(Usage {
        cpu_s: ticks(&read("stat")?) / per_s,
        resident_bytes: resident_kb.context("the process has no memory: has it ended?")? * 1_024,
        threads,
    })
}

/// The name stands in brackets and may contain anything.
fn name(stat: &str) -> &str {
    stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(name, _)| name)
}

/// User and system time in clock ticks.
fn ticks(stat: &str) -> f64 {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_process_has_memory_and_threads() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.resident_bytes > 100_000);
        assert!(!usage.threads.is_empty());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b 1) S 1 7 7 0 -1 0 0 0 0 0 30 12 0 0";
        assert_eq!((name(stat), ticks(stat)), ("a) b 1", 42.0));
    }
}
