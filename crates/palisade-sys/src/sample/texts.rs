//! A sample of a host whose files were read elsewhere, and came as texts.

use super::fields::{lines, number, words};
use super::{Missing, Mount, SOURCES, Sample, Space, mounts};
use jiff::Timestamp;
use std::collections::HashMap;

const NS_PER_S: f64 = 1e9;
/// df(1) counts in these where it is asked to.
const BLOCK_BYTES: u64 = 1024;
/// Device, total, used and available.
const COLUMNS_BEFORE_SHARE: usize = 4;

impl Sample {
    /// From the texts of files below /proc by their names (`stat`, `net/dev`, `self/mountinfo`), and
    /// what `df -Pkl` (`space`) and `df -Pil` (`inodes`) print. Texts that make no sense are missing,
    /// as in a sample of this host. Intervals are measured with the host's own uptime.
    pub fn from_texts(texts: &[(&str, &[u8])], at: Timestamp) -> Sample {
        let mut sample = Sample { at, ..Sample::default() };
        let text = |name: &str| texts.iter().find(|(named, _)| *named == name).map(|(_, text)| *text);
        for (name, parse) in SOURCES {
            // of the namespace of whoever has read them
            let name = name.strip_prefix("thread-self/").unwrap_or(name);
            let Some(text) = text(name) else { continue };
            if !parse(text, &mut sample) {
                sample.missing.push(Missing { file: name, why: "not understood" });
            }
        }
        sample.boot_ns = sample.kernel.uptime_s.map_or(0, |uptime_s| (uptime_s * NS_PER_S) as u64);
        let spaces = spaces(text("space").unwrap_or_default(), text("inodes").unwrap_or_default());
        let mounts = mounts::parse(text("self/mountinfo").unwrap_or_default()).into_iter();
        let with_space = |mount: Mount| Mount { space: spaces.get(mount.point.as_bytes()).copied(), ..mount };
        sample.mounts = mounts.map(with_space).collect::<Vec<_>>().into();
        sample
    }
}

/// How full file systems are, by mount point.
fn spaces<'a>(blocks: &'a [u8], inodes: &'a [u8]) -> HashMap<&'a [u8], Space> {
    let inodes: HashMap<&[u8], [u64; 3]> = df(inodes).collect();
    let space = |(point, [total, used, available]): (&'a [u8], [u64; 3])| {
        let [files, files_used, _] = inodes.get(point).copied().unwrap_or_default();
        let space = Space {
            total_bytes: total.saturating_mul(BLOCK_BYTES),
            free_bytes: total.saturating_sub(used).saturating_mul(BLOCK_BYTES),
            available_bytes: available.saturating_mul(BLOCK_BYTES),
            inodes: files,
            inodes_free: files.saturating_sub(files_used),
        };
        (point, space)
    };
    df(blocks).map(space).collect()
}

/// `device total used available 42% /mount/point`, after a line of headings (df(1), POSIX). A device
/// or a mount point may hold blanks: the numbers are found before the column that ends in `%`.
fn df(text: &[u8]) -> impl Iterator<Item = (&[u8], [u64; 3])> {
    lines(text).filter_map(df_line)
}

fn df_line(line: &[u8]) -> Option<(&[u8], [u64; 3])> {
    let percent = words(line).enumerate().position(|(at, word)| at >= COLUMNS_BEFORE_SHARE && is_share(word))?;
    let columns: Vec<&[u8]> = words(line).take(percent).collect();
    let [.., total, used, available] = columns.as_slice() else { return None };
    let end = words(line).nth(percent).map(|word| word.as_ptr_range().end as usize - line.as_ptr() as usize)?;
    // `-` where a file system has no inodes
    let count = |word: &[u8]| if word == b"-" { Some(0) } else { number(word) };
    Some((line[end..].trim_ascii_start(), [count(total)?, count(used)?, count(available)?]))
}

/// `-` where a file system has no limit.
fn is_share(word: &[u8]) -> bool {
    word == b"-" || word.strip_suffix(b"%").is_some_and(|digits| number(digits).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: &[u8] = b"Filesystem     1024-blocks    Used Available Capacity Mounted on\n\
        /dev/vda1         10218772 4194304   5483984      44% /\n\
        /dev/my disk       1000000  250000    750000      25% /srv/my data\n\
        tmpfs               100000       0    100000       0% /tmp\n";
    const INODES: &[u8] = b"Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n\
        /dev/vda1       655360 131072  524288   20% /\n\
        /dev/my disk         0      0       0     - /srv/my data\n";
    const MOUNTS: &[u8] = b"21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        30 21 254:2 / /srv/my\\040data ro - ext4 /dev/my\\040disk ro\n\
        31 21 0:30 / /net rw - nfs4 server:/export rw\n";

    fn sample(texts: &[(&str, &[u8])]) -> Sample {
        Sample::from_texts(texts, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn file_systems_get_their_space_by_mount_point() {
        let sample = sample(&[("self/mountinfo", MOUNTS), ("space", SPACE), ("inodes", INODES)]);
        let points: Vec<_> = sample.mounts.iter().map(|mount| (mount.point.as_str(), mount.read_only)).collect();
        assert_eq!(points, [("/", false), ("/srv/my data", true), ("/net", false)]);
        let root = sample.mounts[0].space.expect("df names it");
        assert_eq!((root.total_bytes, root.available_bytes), (10_218_772 * 1024, 5_483_984 * 1024));
        assert_eq!((root.inodes, root.inodes_free), (655_360, 524_288));
        let data = sample.mounts[1].space.expect("df names it");
        assert_eq!((data.free_bytes, data.inodes), (750_000 * 1024, 0));
        assert_eq!(sample.mounts[2].space, None, "a network file system is not asked");
    }

    #[test]
    fn texts_that_make_no_sense_are_missing_and_the_others_stand() {
        let sample = sample(&[("stat", b"nonsense\n"), ("uptime", b"12.50 3.00\n"), ("net/sockstat", b"")]);
        assert_eq!(sample.boot_ns, 12_500_000_000);
        assert!(sample.kernel.cpu.is_none() && sample.mounts.is_empty());
        let missing: Vec<_> = sample.missing.iter().map(|missing| missing.file).collect();
        assert_eq!(missing, ["stat", "net/sockstat"]);
    }

    #[test]
    fn a_hostile_df_does_no_harm() {
        for text in
            [&b"% % % % %"[..], b"-% -% /", b"a 1 2 3 4%", b"99999999999999999999 1 1 1% /", b"\xff\xff 1 1 1 1% \xff"]
        {
            let _ = sample(&[("self/mountinfo", MOUNTS), ("space", text), ("inodes", text)]);
        }
    }
}
