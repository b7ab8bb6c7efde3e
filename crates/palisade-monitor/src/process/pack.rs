//! How lists of processes lie in the database: a version byte, then a line of JSON per minute under
//! LZ4. The texts repeat from minute to minute, which is what LZ4 is good at within its 64 kB, and
//! lines can be put together without being understood.

use crate::model::{TOP_MAX, TopProcess};
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;
/// An hour of the longest lists has less.
const BYTES_MAX: usize = 16 << 20;

/// The lists of one minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When the interval ended, Unix seconds.
    #[serde(rename = "t")]
    pub at_s: i64,
    /// Each process of the lists once.
    #[serde(rename = "p", with = "rows")]
    pub processes: Vec<TopProcess>,
    /// Places in `processes`: by CPU time, the most first.
    #[serde(rename = "c")]
    pub by_cpu: Vec<usize>,
    /// By memory.
    #[serde(rename = "m")]
    pub by_memory: Vec<usize>,
    /// By bytes read from and written to disks.
    #[serde(rename = "i")]
    pub by_io: Vec<usize>,
}

impl Minute {
    /// Of three lists, each cut at its limit.
    pub fn new(at_s: i64, lists: [&[TopProcess]; 3]) -> Minute {
        let mut processes: Vec<TopProcess> = Vec::new();
        let mut places = |list: &[TopProcess]| -> Vec<usize> {
            let mut place = |process: &TopProcess| {
                processes.iter().position(|p| p.pid == process.pid).unwrap_or_else(|| {
                    processes.push(process.clone());
                    processes.len() - 1
                })
            };
            list.iter().take(TOP_MAX).map(&mut place).collect()
        };
        let [by_cpu, by_memory, by_io] = lists.map(&mut places);
        Minute { at_s, processes, by_cpu, by_memory, by_io }
    }

    /// One list again; a place that does not exist is left out.
    pub fn list<'a>(&'a self, places: &'a [usize]) -> impl Iterator<Item = &'a TopProcess> {
        places.iter().filter_map(|&place| self.processes.get(place))
    }
}

/// One minute as a body.
pub fn pack(minute: &Minute) -> Vec<u8> {
    let line = serde_json::to_string(minute).expect("lists have no keys but strings");
    pack_lines([line.as_str()])
}

/// Lines, as [`lines`] gave them, as one body.
pub fn pack_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let text = lines.into_iter().fold(String::new(), |text, line| text + line + "\n");
    let mut body = vec![VERSION];
    body.extend(lz4_flex::compress_prepend_size(text.as_bytes()));
    body
}

/// The text of a body; `None` if it is cut or of another version.
pub fn unpack(body: &[u8]) -> Option<String> {
    let packed = body.strip_prefix(&[VERSION])?;
    let size = u32::from_le_bytes(*packed.first_chunk::<4>()?) as usize;
    if size > BYTES_MAX {
        return None;
    }
    String::from_utf8(lz4_flex::decompress_size_prepended(packed).ok()?).ok()
}

/// Each minute of a text with its time; what is none is left out.
pub fn lines(text: &str) -> impl Iterator<Item = (i64, &str)> {
    #[derive(Deserialize)]
    struct At {
        t: i64,
    }
    text.lines().filter_map(|line| Some((serde_json::from_str::<At>(line).ok()?.t, line)))
}

/// The minute of a line.
pub fn parse(line: &str) -> Option<Minute> {
    serde_json::from_str(line).ok()
}

/// A process as a tuple: names of fields would be most of the text. Shares are kept to three
/// decimals, rates to whole bytes.
mod rows {
    use super::TopProcess;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Text = Option<String>;
    type Row = (u32, String, Text, Text, Text, Text, Option<f64>, u64, Option<u64>, Option<u32>, Option<u64>);

    pub fn serialize<S: Serializer>(processes: &[TopProcess], serializer: S) -> Result<S::Ok, S::Error> {
        let row = |p: &TopProcess| -> Row {
            let p = p.clone();
            let cpu = p.cpu.map(|cpu| (cpu * 1e3).round() / 1e3);
            let io = p.io_bytes_rate.map(|rate| rate as u64);
            (p.pid, p.name, p.user, p.cmdline, p.unit, p.container, cpu, p.rss_bytes, io, p.threads, p.open_files)
        };
        processes.iter().map(row).collect::<Vec<Row>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TopProcess>, D::Error> {
        let process = |row: Row| {
            let (pid, name, user, cmdline, unit, container, cpu, rss_bytes, io, threads, open_files) = row;
            let io_bytes_rate = io.map(|rate| rate as f64);
            TopProcess { pid, name, user, cmdline, cpu, rss_bytes, unit, container, io_bytes_rate, threads, open_files }
        };
        Ok(Vec::<Row>::deserialize(deserializer)?.into_iter().map(process).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> TopProcess {
        TopProcess {
            pid,
            name: format!("worker {pid}"),
            cmdline: Some("/usr/sbin/worker --threads=4".to_owned()),
            cpu: Some(0.125),
            rss_bytes: 4096 * u64::from(pid),
            unit: Some("worker.service".to_owned()),
            io_bytes_rate: Some(7.0),
            threads: Some(4),
            open_files: Some(9),
            ..TopProcess::default()
        }
    }

    #[test]
    fn lists_come_back_as_they_were_and_share_their_processes() {
        let (a, b, c) = (process(1), process(2), process(3));
        let all = [a, b, c];
        let minute = Minute::new(60, [&all[..2], &all[1..], &all[2..]]);
        assert_eq!(minute.processes.len(), 3);
        let text = unpack(&pack(&minute)).expect("what was packed");
        let both = unpack(&pack_lines([text.trim_end(), text.trim_end()])).expect("what was packed");
        let back: Vec<_> = lines(&both).map(|(at_s, line)| (at_s, parse(line))).collect();
        assert_eq!(back, [(60, Some(minute.clone())), (60, Some(minute.clone()))]);
        assert_eq!(minute.list(&minute.by_memory).collect::<Vec<_>>(), [&all[1], &all[2]]);
    }

    #[test]
    fn what_is_no_body_is_refused() {
        let good = pack(&Minute::new(60, [&[process(1)], &[], &[]]));
        for bad in [&good[..good.len() - 1], &good[1..], &[1, 255, 255, 255, 255, 0][..], &[], &[1]] {
            assert_eq!(unpack(bad), None, "{bad:?}");
        }
    }
}
