//! File systems and disks.

use super::{Draft, same};
use palisade_sys::sample::{Disk, Sample, Space};

/// The share of a file system that is in use, of what users may fill: as df(1) has it.
pub(crate) fn used_ratio(space: &Space) -> Option<f64> {
    let used = space.total_bytes.saturating_sub(space.free_bytes) as f64;
    let fillable = used + space.available_bytes as f64;
    (fillable > 0.0).then(|| used / fillable)
}

/// The share of the files that a file system can have; nothing where there is no limit.
pub(crate) fn inodes_used_ratio(space: &Space) -> Option<f64> {
    let used = space.inodes.saturating_sub(space.inodes_free) as f64;
    (space.inodes > 0).then(|| used / space.inodes as f64)
}

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    for mount in after.mounts.iter() {
        let point = Some(mount.point.as_str());
        draft.put("disk_read_only", point, f64::from(u8::from(mount.read_only)));
        let Some(space) = mount.space else { continue };
        if let Some(ratio) = used_ratio(&space) {
            draft.put("disk_used_ratio", point, ratio);
            draft.put("disk_free_bytes", point, space.available_bytes as f64);
            draft.put("disk_total_bytes", point, space.total_bytes as f64);
        }
        if let Some(ratio) = inodes_used_ratio(&space) {
            draft.put("disk_inodes_used_ratio", point, ratio);
        }
    }
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    for (at, new) in after.disks.iter().enumerate() {
        if let Some(old) = same(&before.disks, at, |d| d.name == new.name) {
            disk(old, new, draft);
        }
    }
}

fn disk(old: &Disk, new: &Disk, draft: &mut Draft) {
    let device = Some(new.name.as_str());
    draft.rate("disk_io_read_bytes_rate", device, (old.read_bytes, new.read_bytes), 1.0);
    draft.rate("disk_io_write_bytes_rate", device, (old.written_bytes, new.written_bytes), 1.0);
    draft.rate("disk_io_read_requests_rate", device, (old.reads, new.reads), 1.0);
    draft.rate("disk_io_write_requests_rate", device, (old.writes, new.writes), 1.0);
    draft.rate("disk_io_utilization_ratio", device, (old.busy_ms, new.busy_ms), 1e-3);
    draft.rate("disk_io_queue_length", device, (old.queue_ms, new.queue_ms), 1e-3);
    wait("disk_io_read_wait_seconds", device, (old.reads, new.reads), (old.read_ms, new.read_ms), draft);
    wait("disk_io_write_wait_seconds", device, (old.writes, new.writes), (old.write_ms, new.write_ms), draft);
}

/// Time per request; none when there was no request.
fn wait(name: &'static str, device: Option<&str>, count: (u64, u64), ms: (u64, u64), draft: &mut Draft) {
    let requests = count.1.saturating_sub(count.0) as f64;
    if requests > 0.0
        && let Some(spent_ms) = draft.rise(ms)
    {
        draft.put(name, device, spent_ms / 1e3 / requests);
    }
}
