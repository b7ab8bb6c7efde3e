//! `/etc/fstab` (fstab(5)): what should be mounted, and how.

/// One line of fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FstabEntry {
    /// Where.
    pub point: String,
    /// True unless its options say `ro`.
    pub read_write: bool,
}

const ENTRIES_MAX: usize = 1_000;

/// The entries; lines that are no entries are passed over.
pub fn fstab_parse(text: &str) -> Vec<FstabEntry> {
    text.lines().filter_map(entry).take(ENTRIES_MAX).collect()
}

fn entry(line: &str) -> Option<FstabEntry> {
    let mut words = line.split_whitespace();
    let device = words.next().filter(|d| !d.starts_with('#'))?;
    let (point, kind) = (words.next()?, words.next()?);
    let options = words.next().unwrap_or("defaults");
    // the last of `ro` and `rw` counts (mount(8))
    let read_write = options.split(',').rfind(|o| matches!(*o, "ro" | "rw")) != Some("ro");
    let mounted = point.starts_with('/') && kind != "swap" && !device.is_empty();
    mounted.then(|| FstabEntry { point: super::mounts::unescape(point.as_bytes()), read_write })
}
