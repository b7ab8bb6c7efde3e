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
    /// Sources that gave nothing, with the reason: `pressure/cpu: absent`.
    #[serde(default)]
    pub missing: Vec<String>,
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
