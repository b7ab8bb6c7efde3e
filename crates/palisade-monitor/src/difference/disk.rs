//! File systems and disks.

use super::{Draft, add_rises, same};
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
            draft.put("disk_used_bytes", point, space.total_bytes.saturating_sub(space.free_bytes) as f64);
        }
        if let Some(ratio) = inodes_used_ratio(&space) {
            draft.put("disk_inodes_used_ratio", point, ratio);
            draft.put("disk_inodes_total", point, space.inodes as f64);
            draft.put("disk_inodes_used", point, space.inodes.saturating_sub(space.inodes_free) as f64);
        }
    }
    devices(after, draft);
}

/// File systems by their device, and all together; those of other hosts are left out.
fn devices(after: &Sample, draft: &mut Draft) {
    let mut all = Space::default();
    for mount in after.mounts.iter() {
        let Some(space) = mount.space.filter(|_| !is_of_another_host(&mount.device)) else { continue };
        if let Some(ratio) = used_ratio(&space) {
            draft.put("disk_device_used_ratio", Some(mount.device.trim_start_matches("/dev/")), ratio);
        }
        all.total_bytes = all.total_bytes.saturating_add(space.total_bytes);
        all.free_bytes = all.free_bytes.saturating_add(space.free_bytes);
        all.available_bytes = all.available_bytes.saturating_add(space.available_bytes);
    }
    if let Some(ratio) = used_ratio(&all) {
        draft.put("disk_all_used_ratio", None, ratio);
    }
}

/// `store:/archive`, `//store/archive`.
fn is_of_another_host(device: &str) -> bool {
    device.starts_with("//") || device.contains(':')
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    let mut all = [Some(0); 4];
    for (at, new) in after.disks.iter().enumerate() {
        let Some(old) = same(&before.disks, at, |d| d.name == new.name) else { continue };
        disk(old, new, draft);
        if !STANDS_ON_OTHERS.iter().any(|prefix| new.name.starts_with(prefix)) {
            add_rises(&mut all, counters(old), counters(new));
        }
    }
    if !after.disks.is_empty() {
        let names = [
            "disk_all_read_bytes_rate",
            "disk_all_write_bytes_rate",
            "disk_all_read_requests_rate",
            "disk_all_write_requests_rate",
        ];
        names.into_iter().zip(all).for_each(|(name, rise)| draft.total(name, rise));
    }
}

/// Disks whose requests are counted once more at the disks below them.
const STANDS_ON_OTHERS: [&str; 4] = ["dm-", "md", "drbd", "bcache"];

fn counters(disk: &Disk) -> [u64; 4] {
    [disk.read_bytes, disk.written_bytes, disk.reads, disk.writes]
}

fn disk(old: &Disk, new: &Disk, draft: &mut Draft) {
    let device = Some(new.name.as_str());
    draft.rate("disk_io_read_bytes_rate", device, (old.read_bytes, new.read_bytes), 1.0);
    draft.rate("disk_io_write_bytes_rate", device, (old.written_bytes, new.written_bytes), 1.0);
    draft.rate("disk_io_read_requests_rate", device, (old.reads, new.reads), 1.0);
    draft.rate("disk_io_write_requests_rate", device, (old.writes, new.writes), 1.0);
    draft.rate("disk_io_utilization_ratio", device, (old.busy_ms, new.busy_ms), 1e-3);
    draft.rate("disk_io_queue_length", device, (old.queue_ms, new.queue_ms), 1e-3);
    let (reads, writes) = ((old.reads, new.reads), (old.writes, new.writes));
    let both = (old.reads.saturating_add(old.writes), new.reads.saturating_add(new.writes));
    per_request("disk_io_read_wait_seconds", device, reads, (old.read_ms, new.read_ms), 1e-3, draft);
    per_request("disk_io_write_wait_seconds", device, writes, (old.write_ms, new.write_ms), 1e-3, draft);
    per_request("disk_io_service_seconds", device, both, (old.busy_ms, new.busy_ms), 1e-3, draft);
    per_request("disk_io_read_size_bytes", device, reads, (old.read_bytes, new.read_bytes), 1.0, draft);
    per_request("disk_io_write_size_bytes", device, writes, (old.written_bytes, new.written_bytes), 1.0, draft);
}

/// What a request took, of time or of bytes, times `scale`; none when there was no request.
fn per_request(
    name: &'static str,
    device: Option<&str>,
    count: (u64, u64),
    taken: (u64, u64),
    scale: f64,
    draft: &mut Draft,
) {
    // one that fell was counted already, where its rate is made
    if let (Some(requests @ 1..), Some(taken)) = (count.1.checked_sub(count.0), taken.1.checked_sub(taken.0)) {
        draft.put(name, device, taken as f64 * scale / requests as f64);
    }
}
