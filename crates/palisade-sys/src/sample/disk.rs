//! diskstats (Documentation/admin-guide/iostats.rst).

use super::fields::{lines, number, numbers, set_text, words};
use super::rows::Rows;

/// What one disk has done since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// `sda`, `nvme0n1`, `dm-0`.
    pub name: String,
    /// Reads completed.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Time that reads took, milliseconds.
    pub read_ms: u64,
    /// Writes completed.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Time that writes took, milliseconds.
    pub write_ms: u64,
    /// Time in which at least one request was under way, milliseconds.
    pub busy_ms: u64,
    /// Time × requests under way, milliseconds.
    pub queue_ms: u64,
}

const DISKS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;
/// A sector of diskstats, whatever the disk's own sectors are.
const SECTOR_BYTES: u64 = 512;

pub(super) fn diskstats(text: &[u8], into: &mut Rows<Disk>) -> bool {
    for line in lines(text) {
        let mut words = words(line).skip(2);
        let Some(name) = words.next().filter(|name| is_whole_disk(name)) else { continue };
        let mut n = [0_u64; 11];
        if into.len() < DISKS_MAX && numbers(&mut words, &mut n) {
            let disk = into.add();
            set_text(&mut disk.name, name, NAME_BYTES_MAX);
            let [reads, _, read_sectors, read_ms, writes, _, write_sectors, write_ms, _, busy_ms, queue_ms] = n;
            (disk.reads, disk.read_ms, disk.writes, disk.write_ms) = (reads, read_ms, writes, write_ms);
            (disk.busy_ms, disk.queue_ms) = (busy_ms, queue_ms);
            disk.read_bytes = read_sectors.saturating_mul(SECTOR_BYTES);
            disk.written_bytes = write_sectors.saturating_mul(SECTOR_BYTES);
        }
    }
    true
}

/// False for partitions (their disk counts already), loop devices, RAM disks, floppies and CD drives.
pub(super) fn is_whole_disk(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (stem, tail) = name.split_at(name.len() - digits);
    let is_lettered =
        |family: &[u8]| stem.strip_prefix(family).is_some_and(|rest| rest.iter().all(u8::is_ascii_lowercase));
    let with_number: &[&[u8]] = &[b"loop", b"ram", b"zram", b"fd", b"sr"];
    if with_number.contains(&stem) {
        return false;
    }
    let lettered_partition =
        digits > 0 && [&b"sd"[..], b"hd", b"vd", b"xvd"].iter().any(|f| is_lettered(f) && stem.len() > f.len());
    let p_partition = digits > 0
        && stem.last() == Some(&b'p')
        && (stem.starts_with(b"nvme")
            || stem.starts_with(b"mmcblk")
            || stem.starts_with(b"md")
            || stem.starts_with(b"nbd"));
    !lettered_partition && !p_partition && (tail.is_empty() || number(tail).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_disks_are_counted() {
        for disk in ["sda", "vda", "xvdb", "nvme0n1", "mmcblk0", "dm-0", "md127", "nbd3", "sdaa"] {
            assert!(is_whole_disk(disk.as_bytes()), "{disk}");
        }
        for other in
            ["sda1", "vda15", "xvdb1", "nvme0n1p2", "mmcblk0p1", "md127p1", "loop0", "ram3", "zram0", "sr0", "fd0"]
        {
            assert!(!is_whole_disk(other.as_bytes()), "{other}");
        }
    }
}
