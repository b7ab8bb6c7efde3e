//! The guard's words: series, frames of values, and the processes that stand out.

use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// How many processes stand in each list of a frame.
pub const TOP_MAX: usize = 10;
/// The most series of one frame; about 120 are usual.
pub const SERIES_MAX: usize = 1_000;
/// The longest label value, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;

/// The values of one interval on one host, as they travel in a record of the stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The end of the interval.
    pub at: Timestamp,
    /// Its length.
    pub interval_s: f64,
    /// The nominal length of its interval: what the host was told to sample every. A frame stands for
    /// the multiple of it that its end falls into.
    #[serde(default = "minute_s")]
    pub step_s: u32,
    /// True when it was taken because somebody looks on, besides the frame of the minute.
    #[serde(default)]
    pub live: bool,
    /// By [`SeriesKey`].
    pub metrics: BTreeMap<String, f64>,
    /// The processes that used the most CPU time.
    #[serde(default)]
    pub by_cpu: Vec<TopProcess>,
    /// The processes that hold the most memory.
    #[serde(default)]
    pub by_memory: Vec<TopProcess>,
    /// The processes that read and wrote the most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_io: Vec<TopProcess>,
    /// Sources that gave nothing, with the reason: `pressure/cpu: absent`.
    #[serde(default)]
    pub missing: Vec<String>,
}

fn minute_s() -> u32 {
    60
}

/// What travels in a record of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sent {
    /// The answer to [`Asked::Freeze`].
    Cause {
        /// What was frozen.
        cause: Cause,
    },
    /// The values of one interval.
    Frame(Frame),
}

/// What the server asks of a host's sampler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The ring of fine samples around a moment, for the alarm `alarm`.
    Freeze {
        /// The alarm's id.
        alarm: String,
        /// The metric that it is about; the processes are ranked by what it measures.
        metric: String,
        /// From when.
        from: Timestamp,
        /// Until when.
        to: Timestamp,
    },
}

/// What a host saw in fine steps around the moment when an alarm fired.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// The alarm's id.
    pub alarm: String,
    /// The end of the first step.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Seconds of a step.
    pub step_s: u32,
    /// By [`SeriesKey`], a value per step; null where there was none.
    pub metrics: BTreeMap<String, Vec<Option<f64>>>,
    /// Who did most of it, first the one that did most: at most [`TOP_MAX`].
    pub processes: Vec<CauseProcess>,
}

/// A process in the ring; it may have ended since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CauseProcess {
    /// What it was; `cpu`, memory and I/O are its averages over the steps that it was seen in.
    #[serde(flatten)]
    pub process: TopProcess,
    /// The most CPU time in one step, as a share of one core.
    pub cpu_max: f64,
    /// The most memory that it held.
    pub rss_bytes_max: u64,
    /// When it was first seen in the ring.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// True when it was gone at the end.
    pub ended: bool,
}

/// A process that stands out. Name and command line are whatever the process says: hostile text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopProcess {
    /// Its number.
    pub pid: u32,
    /// Its name as the kernel has it.
    pub name: String,
    /// The account it runs as; absent when it had ended before it could be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// Its arguments, at most 256 bytes, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cmdline: Option<String>,
    /// CPU time as a share of one core; absent in its first interval.
    pub cpu: Option<f64>,
    /// Resident memory.
    pub rss_bytes: u64,
    /// The systemd unit it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<String>,
    /// The container it runs in: the first 12 characters of its id, or its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<String>,
    /// Bytes a second that it read from and wrote to disks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub io_bytes_rate: Option<f64>,
    /// Its threads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub threads: Option<u32>,
    /// Its open files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open_files: Option<u64>,
}

/// One series of a host: a metric and, where it has one, the value of its label. Written as
/// Prometheus has it: `disk_used_ratio{mount="/srv"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The metric.
    pub name: String,
    /// Label and value.
    pub label: Option<(String, String)>,
}

impl SeriesKey {
    /// A series; control characters of the value become U+FFFD, and it is cut at the limit.
    pub fn new(name: &str, label: Option<(&str, &str)>) -> SeriesKey {
        let clean = |value: &str| {
            let mut text = String::new();
            for c in value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }) {
                if text.len() + c.len_utf8() > LABEL_BYTES_MAX {
                    break;
                }
                text.push(c);
            }
            text
        };
        SeriesKey { name: name.to_owned(), label: label.map(|(label, value)| (label.to_owned(), clean(value))) }
    }

    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    pub fn parse(text: &str) -> Option<SeriesKey> {
        let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let Some((name, rest)) = text.split_once('{') else {
            return word(text).then(|| SeriesKey { name: text.to_owned(), label: None });
        };
        let (label, quoted) = rest.strip_suffix("\"}")?.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => value.push(chars.next().filter(|c| matches!(c, '\\' | '"'))?),
                '"' => return None,
                c if c.is_control() => return None,
                c => value.push(c),
            }
        }
        let sound = word(name) && word(label) && value.len() <= LABEL_BYTES_MAX;
        sound.then(|| SeriesKey { name: name.to_owned(), label: Some((label.to_owned(), value)) })
    }

    /// Name → value, as the API has it.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.label.iter().cloned().collect()
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let Some((label, value)) = &self.label else { return Ok(()) };
        write!(f, "{{{label}=\"")?;
        for c in value.chars() {
            if matches!(c, '\\' | '"') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"}")
    }
}
