//! Containers.

use super::{Draft, same};
use palisade_sys::sample::{Container, Sample};

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    if !after.containers.is_empty() {
        draft.put("containers", None, after.containers.len() as f64);
    }
    for container in after.containers.iter() {
        let name = Some(container.name.as_str());
        let values = [
            ("container_memory_bytes", container.memory_bytes),
            ("container_memory_limit_bytes", container.memory_limit_bytes),
            ("container_tasks", container.tasks),
            ("container_oom_kills_total", container.oom_kills),
        ];
        for (metric, value) in values {
            if let Some(value) = value {
                draft.put(metric, name, value as f64);
            }
        }
        if let (Some(used), Some(limit @ 1..)) = (container.memory_bytes, container.memory_limit_bytes) {
            draft.put("container_memory_used_ratio", name, used as f64 / limit as f64);
        }
    }
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    for (at, new) in after.containers.iter().enumerate() {
        let Some(old) = same(&before.containers, at, |c| c.name == new.name) else { continue };
        let name = Some(new.name.as_str());
        let rates = [
            ("container_cpu_ratio", old.cpu_us, new.cpu_us, 1e-6),
            ("container_throttled_ratio", old.throttled_us, new.throttled_us, 1e-6),
            ("container_read_bytes_rate", old.read_bytes, new.read_bytes, 1.0),
            ("container_write_bytes_rate", old.written_bytes, new.written_bytes, 1.0),
        ];
        if is_new(old, new) {
            continue;
        }
        for (metric, old, new, scale) in rates {
            if let (Some(old), Some(new)) = (old, new) {
                draft.rate(metric, name, (old, new), scale);
            }
        }
    }
}

/// One that was started again under the same name begins to count anew: no value, and no fault.
fn is_new(old: &Container, new: &Container) -> bool {
    old.cpu_us.zip(new.cpu_us).is_some_and(|(old, new)| new < old)
}
