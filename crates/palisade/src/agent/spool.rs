//! Records of one stream that wait for the server: on disk, bounded, in order.
//!
//! A directory of segment files named after their first sequence number, one JSON record per line.
//! A line that was cut by a crash is dropped at the start. The newest segment is kept when all of
//! it is acknowledged, so that sequence numbers go on rising over restarts.

use super::state;
use anyhow::{Context, Result};
use palisade_core::Timestamp;
use palisade_guard::Record;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A segment is closed when it has this many bytes.
const SEGMENT_BYTES_MAX: u64 = 1 << 20;
/// Above this, the oldest segment is given up and its records are counted as lost. About four
/// days of a minute's samples.
const SPOOL_BYTES_MAX: u64 = 32 << 20;
/// Where the number of lost records stands.
const LOST: &str = "lost.json";

/// The records of one stream.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// First sequence number → size in bytes.
    segments: BTreeMap<u64, u64>,
    /// The segment that is written to.
    open: Option<File>,
    /// The last sequence number given.
    last: u64,
    /// Records given up since the agent was installed, because the spool was full or the disk did
    /// not take them. Kept in a file of its own, so that the gap is known after a restart too.
    lost: u64,
}

impl Spool {
    /// Opens the directory, making it if it is missing.
    pub fn open(dir: &Path) -> Result<Spool> {
        std::fs::create_dir_all(dir).with_context(|| format!("making `{}`", dir.display()))?;
        let mut inner = Inner { lost: state::read(&dir.join(LOST))?, ..Inner::default() };
        for entry in std::fs::read_dir(dir).with_context(|| format!("reading `{}`", dir.display()))? {
            let entry = entry.with_context(|| format!("reading `{}`", dir.display()))?;
            if let Some(first) =
                entry.file_name().to_str().and_then(|n| n.strip_suffix(".jsonl")).and_then(|n| n.parse().ok())
            {
                inner.segments.insert(first, entry.metadata().map_or(0, |m| m.len()));
            }
        }
        let spool = Spool { dir: dir.to_owned(), inner: Mutex::default() };
        if let Some(&newest) = inner.segments.keys().next_back() {
            let records = spool.read_segment(newest);
            inner.last = records.last().map_or(newest.saturating_sub(1), |r| r.seq);
        }
        *spool.inner.lock().expect("no panic while held") = inner;
        Ok(spool)
    }

    /// Appends a record. A disk that does not take it costs this record, which is counted.
    pub fn push(&self, at: Timestamp, body: Value) {
        let mut inner = self.inner.lock().expect("no panic while held");
        let seq = inner.last + 1;
        let record = Record { seq, at, body };
        // the sequence number is used up even if the record is lost: a gap is seen, not hidden
        inner.last = seq;
        if let Err(error) = self.append(&mut inner, &record) {
            self.count_lost(&mut inner, 1);
            inner.open = None;
            tracing::warn!(error = format!("{error:#}"), lost = inner.lost, "a record could not be stored");
        }
    }

    fn append(&self, inner: &mut Inner, record: &Record) -> Result<()> {
        let full = inner.segments.values().next_back().is_none_or(|size| *size >= SEGMENT_BYTES_MAX);
        if inner.open.is_none() || full {
            // after a restart or a failed write a new segment begins, so that a cut line stays alone
            let path = self.path(record.seq);
            inner.open = Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&path)
                    .with_context(|| format!("opening `{}`", path.display()))?,
            );
            inner.segments.insert(record.seq, 0);
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let file = inner.open.as_mut().context("the segment is open")?;
        file.write_all(&line).context("appending to the spool")?;
        if let Some(mut size) = inner.segments.last_entry() {
            *size.get_mut() += line.len() as u64;
        }
        self.bound(inner);
        Ok(())
    }

    fn bound(&self, inner: &mut Inner) {
        while inner.segments.len() > 1 && inner.segments.values().sum::<u64>() > SPOOL_BYTES_MAX {
            let Some((first, _)) = inner.segments.pop_first() else { return };
            let given_up = self.read_segment(first).len() as u64;
            self.count_lost(inner, given_up);
            let _ = std::fs::remove_file(self.path(first));
        }
    }

    fn count_lost(&self, inner: &mut Inner, records: u64) {
        inner.lost += records;
        if let Err(error) = state::write(&self.dir.join(LOST), &inner.lost) {
            tracing::warn!(error = format!("{error:#}"), "the number of lost records could not be stored");
        }
    }

    /// Records after `seq`, oldest first, at most `records_max`.
    pub fn after(&self, seq: u64, records_max: usize) -> Vec<Record> {
        let firsts: Vec<u64> = {
            let inner = self.inner.lock().expect("no panic while held");
            if inner.last <= seq {
                return Vec::new();
            }
            let start = inner.segments.range(..=seq + 1).next_back().map_or(0, |(first, _)| *first);
            inner.segments.range(start..).map(|(first, _)| *first).collect()
        };
        let mut records = Vec::new();
        for first in firsts {
            records.extend(self.read_segment(first).into_iter().filter(|r| r.seq > seq));
            if records.len() >= records_max {
                records.truncate(records_max);
                break;
            }
        }
        records
    }

    /// Everything up to `seq` is stored by the server. Sequence numbers go on after it, even when
    /// this spool is younger than the server's memory of it.
    pub fn acknowledged(&self, seq: u64) {
        let mut inner = self.inner.lock().expect("no panic while held");
        if seq > inner.last {
            inner.last = seq;
            inner.open = None;
        }
        while inner.segments.len() > 1 {
            let second = inner.segments.keys().nth(1).copied().unwrap_or(u64::MAX);
            if second > seq + 1 {
                return;
            }
            if let Some((first, _)) = inner.segments.pop_first() {
                let _ = std::fs::remove_file(self.path(first));
            }
        }
    }

    /// Records waiting after `seq`, bytes on disk, and records lost.
    pub fn figures(&self) -> (u64, u64, u64) {
        let inner = self.inner.lock().expect("no panic while held");
        (inner.last, inner.segments.values().sum(), inner.lost)
    }

    fn read_segment(&self, first: u64) -> Vec<Record> {
        let Ok(file) = File::open(self.path(first)) else { return Vec::new() };
        BufReader::new(file).lines().map_while(Result::ok).map_while(|line| serde_json::from_str(&line).ok()).collect()
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.jsonl"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seqs(spool: &Spool, after: u64) -> Vec<u64> {
        spool.after(after, 1000).iter().map(|r| r.seq).collect()
    }

    #[test]
    fn what_was_pushed_comes_back_in_order_until_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        (0..3).for_each(|n| spool.push(Timestamp::UNIX_EPOCH, n.into()));
        assert_eq!(seqs(&spool, 0), [1, 2, 3]);
        assert_eq!(seqs(&spool, 2), [3]);
        spool.acknowledged(3);
        assert!(seqs(&spool, 3).is_empty());
    }

    #[test]
    fn a_line_cut_by_a_crash_is_dropped_and_numbers_go_on_rising() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        (0..3).for_each(|n| spool.push(Timestamp::UNIX_EPOCH, n.into()));
        let path = spool.path(1);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 10]).unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.push(Timestamp::UNIX_EPOCH, 9.into());
        assert_eq!(seqs(&spool, 0), [1, 2, 3]);
        assert_eq!(spool.after(2, 10)[0].body, Value::from(9));
    }

    #[test]
    fn numbers_go_on_after_those_that_the_server_remembers() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        spool.acknowledged(41);
        spool.push(Timestamp::UNIX_EPOCH, 1.into());
        assert_eq!(seqs(&spool, 41), [42]);
    }

    #[test]
    fn a_full_spool_gives_up_the_oldest_and_counts_them() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let body = Value::from("x".repeat(256 << 10));
        (0..200).for_each(|_| spool.push(Timestamp::UNIX_EPOCH, body.clone()));
        let (last, bytes, lost) = spool.figures();
        assert_eq!(last, 200);
        assert!(bytes <= SPOOL_BYTES_MAX && lost > 0, "{bytes} bytes, {lost} lost");
        assert_eq!(seqs(&spool, 0).len() as u64, 200 - lost);
        assert_eq!(Spool::open(dir.path()).unwrap().figures().2, lost, "a restart does not hide the gap");
    }
}
