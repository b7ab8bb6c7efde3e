//! What the checks need, read at one look. Only what moves slowly, in coarse steps: a section is
//! sent only when it has changed.

use crate::difference::{inodes_used_ratio, used_ratio};
use crate::setting::cover::Cover;
use palisade_guard::Host;
use palisade_sys::SysError;
use palisade_sys::sample::{FstabEntry, Mount, Sample, Sampler, clock_synchronised, fstab_parse};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// One look at a host. A part that could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// False for a scratch root, which has no counters: nothing is judged.
    pub live: bool,
    /// The file systems that hold data.
    pub filesystems: Option<Filesystems>,
    /// Memory, as a class.
    pub memory: Option<MemoryClass>,
    /// Counts of the kernel, in coarse steps.
    pub kernel: Kernel,
    /// Whether something keeps the clock right.
    pub clock_synchronised: Option<bool>,
    /// How alarms cover the host; absent where no server has told.
    pub cover: Option<Cover>,
}

/// The file systems that hold data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filesystems {
    /// By mount point.
    pub mounted: Vec<Filesystem>,
    /// One that did not answer within its time.
    pub silent: Option<String>,
}

/// One file system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// From what.
    pub device: String,
    /// `ext4`.
    pub kind: String,
    /// In use, whole percent of what users may fill; absent when it did not answer.
    pub used_percent: Option<u8>,
    /// Of the files that it can have; absent where there is no limit.
    pub inodes_used_percent: Option<u8>,
    /// It refuses writes.
    pub read_only: bool,
    /// fstab wants it writable.
    pub wanted_read_write: bool,
}

/// How much memory could still be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryClass {
    /// 10 % of all memory or more.
    Ample,
    /// Less than 10 %.
    Tight,
    /// Less than 5 %.
    Scarce,
}

/// Counts, each rounded down to 1, 2, 5, 10, 20, 50, ….
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// Processes killed for want of memory since the host was started.
    pub oom_kills: Option<u64>,
    /// Processes that have ended and whose parents have not asked how.
    pub zombies: Option<u64>,
    /// File handles in use, whole percent of the limit.
    pub open_files_percent: Option<u8>,
}

/// Looks at the host, with one sampler for all looks: each new one would leave one more thread
/// behind at a file system that hangs.
#[derive(Default)]
pub struct Looker(Mutex<Option<Sampler>>);

impl Looker {
    /// One look.
    pub fn observe(&self, host: &Host) -> Result<Observed, SysError> {
        if !host.root.is_live() {
            return Ok(Observed::default());
        }
        // a panic of an earlier look leaves a sampler that is as good as any
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sampler = match &mut *kept {
            Some(sampler) => sampler,
            none => none.insert(Sampler::live()?),
        };
        look(host, sampler)
    }
}

fn look(host: &Host, sampler: &mut Sampler) -> Result<Observed, SysError> {
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    sampler.take_processes(&mut sample);
    let fstab = host.root.text_if_exists("/etc/fstab")?.unwrap_or_default();
    Ok(Observed { clock_synchronised: clock_synchronised().ok(), ..facts(&sample, &fstab_parse(&fstab)) })
}

/// The facts in a sample.
pub fn facts(sample: &Sample, fstab: &[FstabEntry]) -> Observed {
    let kernel = &sample.kernel;
    let has_mounts = !sample.missing.iter().any(|m| m.file == "self/mountinfo") || sample.mount_silent.is_some();
    let mounted = sample.mounts.iter().map(|m| filesystem(m, fstab)).collect();
    Observed {
        live: true,
        filesystems: has_mounts.then(|| Filesystems { mounted, silent: sample.mount_silent.clone() }),
        memory: kernel.memory.map(|m| memory_class(m.available as f64 / m.total as f64)),
        kernel: Kernel {
            oom_kills: kernel.oom_kills.map(coarse),
            zombies: sample.process_states.map(|states| coarse(states.zombie)),
            open_files_percent: kernel.files.map(|(open, limit)| percent(open as f64 / limit.max(1) as f64)),
        },
        clock_synchronised: None,
        cover: None,
    }
}

fn filesystem(mount: &Mount, fstab: &[FstabEntry]) -> Filesystem {
    Filesystem {
        mount: mount.point.clone(),
        device: mount.device.clone(),
        kind: mount.kind.clone(),
        used_percent: mount.space.as_ref().and_then(used_ratio).map(percent),
        inodes_used_percent: mount.space.as_ref().and_then(inodes_used_ratio).map(percent),
        read_only: mount.read_only,
        wanted_read_write: fstab.iter().any(|entry| entry.point == mount.point && entry.read_write),
    }
}

fn percent(ratio: f64) -> u8 {
    (ratio.clamp(0.0, 1.0) * 100.0) as u8
}

fn memory_class(available: f64) -> MemoryClass {
    match available {
        a if a < 0.05 => MemoryClass::Scarce,
        a if a < 0.10 => MemoryClass::Tight,
        _ => MemoryClass::Ample,
    }
}

/// Rounded down to 1, 2 or 5 times a power of ten.
fn coarse(count: u64) -> u64 {
    let steps = std::iter::successors(Some(1_u64), |n| n.checked_mul(10))
        .flat_map(|n| [n, n.saturating_mul(2), n.saturating_mul(5)]);
    steps.take_while(|&n| n <= count).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_rounded_down_to_few_steps() {
        for (count, rounded) in [(0, 0), (1, 1), (4, 2), (9, 5), (10, 10), (49, 20), (50, 50), (1_999, 1_000)] {
            assert_eq!(coarse(count), rounded);
        }
        assert!(coarse(u64::MAX) > 0);
    }
}
