//! The feed on a host's disk: a snapshot, and the parts that came after it.
//!
//! `N.json` is a snapshot, `N.log` the parts since, one JSON document per line. The next snapshot is
//! written beside, synced and renamed, and only then the pair before is removed: a kill at any moment
//! leaves one whole pair. A line that was cut is dropped at the start, and the server sends it again,
//! because the position of the host is what can be read here and nothing else. Lines are not synced
//! one by one: what a power cut takes is sent again too.

use super::book::{Book, Snapshot, changes_of};
use palisade_guard::link::FeedPart;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log of more than this is replaced by a snapshot; both together stay below three times as much.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// The pair of files in use.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    /// The number of the pair.
    pair: u64,
    file: File,
    bytes: u64,
}

impl Log {
    /// Opens the directory, making it if it is missing, and reads what is there.
    pub fn open(dir: &Path) -> io::Result<(Log, Book)> {
        std::fs::create_dir_all(dir)?;
        let pairs = pairs(dir)?;
        let pair = pairs.last().copied().unwrap_or(0);
        let path = dir.join(format!("{pair}.json"));
        let snapshot = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Snapshot::default(),
            other => serde_json::from_slice(&other?).unwrap_or_else(|error| {
                tracing::error!(%error, file = %path.display(), "the stored feed cannot be read; the server sends it again");
                Snapshot::default()
            }),
        };
        let mut book = Book::of(snapshot);
        let log = dir.join(format!("{pair}.log"));
        let mut file = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&log)?;
        let bytes = replay(&mut file, &mut book)?;
        file.set_len(bytes)?;
        for old in pairs.into_iter().filter(|old| *old != pair) {
            remove(dir, old);
        }
        Ok((Log { dir: dir.to_owned(), pair, file, bytes }, book))
    }

    /// Stores a part; when the disk does not take it, nothing of it is stored.
    pub fn append(&mut self, part: &FeedPart) -> io::Result<()> {
        let mut line = serde_json::to_vec(part)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // the next line must not follow half of this one
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// True when it is time for [`Log::compact`].
    pub fn is_full(&self) -> bool {
        self.bytes > LOG_BYTES_MAX
    }

    /// Begins a new pair of files with all of `book`.
    pub fn compact(&mut self, book: &Book) -> io::Result<()> {
        let pair = self.pair + 1;
        let path = self.dir.join(format!("{pair}.json"));
        let temporary = self.dir.join("snapshot.new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(&book.snapshot())?)?;
        file.sync_all()?;
        // one of this number may be left from a snapshot that was not finished
        let log =
            OpenOptions::new().create(true).append(true).mode(0o600).open(self.dir.join(format!("{pair}.log")))?;
        log.set_len(0)?;
        std::fs::rename(&temporary, &path)?;
        File::open(&self.dir)?.sync_all()?;
        remove(&self.dir, self.pair);
        (self.pair, self.file, self.bytes) = (pair, log, 0);
        Ok(())
    }
}

/// The numbers of the snapshots that are there, in order.
fn pairs(dir: &Path) -> io::Result<Vec<u64>> {
    let mut pairs = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        pairs.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok()));
    }
    pairs.sort_unstable();
    Ok(pairs)
}

/// An error leaves files that the next start removes.
fn remove(dir: &Path, pair: u64) {
    let _ = std::fs::remove_file(dir.join(format!("{pair}.json")));
    let _ = std::fs::remove_file(dir.join(format!("{pair}.log")));
}

/// Takes every whole line; returns how many bytes they are.
fn replay(file: &mut File, book: &mut Book) -> io::Result<u64> {
    let (mut reader, mut good, mut line) = (BufReader::new(file), 0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        let part = if line.ends_with(b"\n") { serde_json::from_slice::<FeedPart>(&line).ok() } else { None };
        let Some(part) = part else { return Ok(good) };
        let (Ok(true), Ok(changes)) = (book.takes(&part), changes_of(&part)) else { return Ok(good) };
        book.take(&part, &changes);
        good += read as u64;
    }
}
