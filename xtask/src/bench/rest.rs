//! What agent and server take while nothing happens, with 200 processes to look at.

use super::Figure;
use crate::{browser, repository, run};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

const PROCESSES: usize = 200;
/// The first samples and the first look at the host are work, not rest.
const WARM_UP: Duration = Duration::from_secs(30);
const WATCHED: Duration = Duration::from_secs(60);

/// Starts Palisade on a directory of its own and looks at its processes for a minute.
pub fn measure() -> Result<Vec<Figure>> {
    run::show(run::command(repository::cargo(), &["build", "--release", "--package", "palisade"]))?;
    browser::leave_machine_network()?;
    let dir = tempfile::Builder::new()
        .prefix("palisade-rest-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "")?;
    let _sleepers =
        (0..PROCESSES).map(|_| Ended::start(run::command("sleep", &["600"]))).collect::<Result<Vec<_>>>()?;
    let mut up = run::command(repository::palisade("release"), &["up", "--listen", "127.0.0.1:0", "--data-dir"]);
    up.arg(dir.path().join("data")).env("PALISADE_CONFIG", &config);
    let palisade = Ended::start(up)?;
    println!("at rest for {} s, then watched for {} s", WARM_UP.as_secs(), WATCHED.as_secs());
    std::thread::sleep(WARM_UP);
    let before = tree(palisade.0.id())?;
    std::thread::sleep(WATCHED);
    let after = tree(palisade.0.id())?;
    if after.len() < before.len() || after.is_empty() {
        bail!("a process of Palisade ended while it was watched");
    }
    Ok(after
        .iter()
        .filter_map(|(pid, now)| Some((now, before.get(pid)?)))
        .flat_map(|(now, then)| figures(now, then))
        .collect())
}

fn figures(now: &Usage, then: &Usage) -> [Figure; 2] {
    let share = (now.cpu_s - then.cpu_s) / WATCHED.as_secs_f64() * 100.0;
    let (memory_goal, cpu_goal) = match now.role.as_str() {
        "server" => ("≤ 80 MB", ""),
        _ => ("≤ 40 MB", "≤ 0.5 %"),
    };
    [
        Figure::new(
            format!("`palisade {}` at rest, memory", now.role),
            format!("{:.1} MB", now.resident_mb),
            memory_goal,
        ),
        Figure::new(
            format!("{} at rest with {PROCESSES} more processes, share of a core", now.role),
            format!("{share:.2} %"),
            cpu_goal,
        ),
    ]
}

/// What one process has used so far.
struct Usage {
    /// `server` or `agent`.
    role: String,
    cpu_s: f64,
    resident_mb: f64,
}

/// The process and its descendants, by process id.
fn tree(root: u32) -> Result<BTreeMap<u32, Usage>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok())
            && let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            && let Some(parent) = after_name(&stat).nth(1).and_then(|f| f.parse::<u32>().ok())
        {
            parents.insert(pid, parent);
        }
    }
    let belongs = |mut pid: u32| {
        while pid != root {
            match parents.get(&pid) {
                Some(&parent) if parent > 1 => pid = parent,
                _ => return false,
            }
        }
        true
    };
    parents.keys().copied().filter(|&pid| belongs(pid)).map(|pid| Ok((pid, usage(pid)?))).collect()
}

fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("reading /proc/{pid}/{file}"))
    };
    let stat = read("stat")?;
    let ticks: f64 = after_name(&stat).skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel's clock tick is not known")?;
    let resident_kb =
        resident_kb(&read("status")?).with_context(|| format!("process {pid} has no memory: has it ended?"))?;
    let command = read("cmdline")?;
    // `palisade up` is the agent itself; the server is its child
    let role = match command.split('\0').nth(1).unwrap_or_default() {
        "up" => "agent",
        other => other,
    };
    let role = role.to_owned();
    Ok(Usage { role, cpu_s: ticks / per_second as f64, resident_mb: resident_kb as f64 * 1024.0 / 1e6 })
}

/// The fields of `stat` behind the name, which may contain anything: state, parent, … (proc_pid_stat(5)).
fn after_name(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

fn resident_kb(status: &str) -> Option<u64> {
    status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

/// A child that is ended when we are done with it.
struct Ended(Child);

impl Ended {
    fn start(mut command: std::process::Command) -> Result<Ended> {
        let line = run::shown(&command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Ended).with_context(|| format!("starting `{line}`"))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // it may have ended already; then there is nothing to end
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_with_its_memory_and_its_child() {
        let child = Ended::start(run::command("sleep", &["600"])).unwrap();
        let tree = tree(std::process::id()).unwrap();
        assert!(tree[&std::process::id()].resident_mb > 0.1);
        assert!(tree.contains_key(&child.0.id()));
        assert!(!tree.contains_key(&1));
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        assert_eq!(after_name("7 (a) b) S 1 7 7").nth(1), Some("1"));
    }
}
