//! The running program as a file to hand out: what it is, and its bytes.
//!
//! It is opened through `/proc/self/exe` (proc_pid_exe(5)), which leads to the file that runs even when
//! it was replaced or removed meanwhile: what is handed out is what the hash was made of.

use anyhow::{Context, Result};
use axum::body::Body;
use bytes::Bytes;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Read and sent at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;
/// Downloads at the same time; more are told to come again. Each holds at most two chunks.
const DOWNLOADS_MAX: usize = 64;
/// A download whose other end takes nothing for this long ends.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How a version of the C library stands in a program that needs it.
const LIBC_MARK: &[u8] = b"GLIBC_";
/// The longest version behind it, in bytes: `2.99.99`.
const LIBC_VERSION_BYTES_MAX: usize = 8;

/// What the program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What `uname -m` says on a machine that it runs on.
    pub arch: &'static str,
    /// The oldest GNU C library that it runs with, as major and minor; `None` if it needs none.
    pub libc: Option<(u32, u32)>,
}

/// The running program. Cheap to clone.
#[derive(Clone, Default)]
pub struct Program(Arc<Inner>);

struct Inner {
    opened: OnceCell<(Arc<File>, Facts)>,
    downloads: Arc<Semaphore>,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner { opened: OnceCell::new(), downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)) }
    }
}

impl Program {
    /// What it is; read once, when it is first asked for.
    pub async fn facts(&self) -> Result<&Facts> {
        Ok(&self.opened().await?.1)
    }

    /// Its bytes; `None` while too many others are being sent.
    pub async fn body(&self) -> Result<Option<Body>> {
        let (file, facts) = self.opened().await?;
        let Ok(place) = Arc::clone(&self.0.downloads).try_acquire_owned() else { return Ok(None) };
        let (sender, receiver) = mpsc::channel(1);
        let (file, bytes) = (Arc::clone(file), facts.bytes);
        tokio::spawn(async move {
            let _place = place;
            send(&file, bytes, &sender).await;
        });
        Ok(Some(Body::from_stream(ReceiverStream::new(receiver))))
    }

    async fn opened(&self) -> Result<&(Arc<File>, Facts)> {
        let open = || async {
            tokio::task::spawn_blocking(|| {
                let file = File::open("/proc/self/exe").context("opening this program")?;
                let facts = read(&file).context("reading this program")?;
                anyhow::Ok((Arc::new(file), facts))
            })
            .await
            .context("reading this program")?
        };
        self.0.opened.get_or_try_init(open).await
    }
}

/// Sends chunk by chunk; ends early when the other end is gone or has stopped to take any.
async fn send(file: &Arc<File>, bytes: u64, sender: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut at = 0;
    while at < bytes {
        let file = Arc::clone(file);
        let read = tokio::task::spawn_blocking(move || chunk(&file, at)).await;
        let chunk = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        at += chunk.as_ref().map_or(bytes, |c| c.len() as u64);
        if sender.send_timeout(chunk, STALL_TIMEOUT).await.is_err() {
            return;
        }
    }
}

/// The chunk at `at`; an error at the end of the file.
fn chunk(file: &File, at: u64) -> std::io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK_BYTES];
    match file.read_at(&mut buffer, at)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        n => {
            buffer.truncate(n);
            Ok(buffer.into())
        }
    }
}

fn read(file: &File) -> std::io::Result<Facts> {
    let bytes = file.metadata()?.len();
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut libc = None;
    // a mark may lie across two chunks: the end of one is looked at again with the next
    let mut window = Vec::new();
    let mut at = 0;
    while at < bytes {
        let chunk = chunk(file, at)?;
        digest.update(&chunk);
        at += chunk.len() as u64;
        window.extend_from_slice(&chunk);
        libc = libc.max(libc_needed(&window));
        window.drain(..window.len().saturating_sub(LIBC_MARK.len() + LIBC_VERSION_BYTES_MAX));
    }
    let sha256 = digest.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Facts { sha256, bytes, arch: std::env::consts::ARCH, libc })
}

/// The highest version of the C library that is named: symbols carry the version since which they
/// exist, as text (`GLIBC_2.34`) in the program's string table.
fn libc_needed(bytes: &[u8]) -> Option<(u32, u32)> {
    let version = |at: usize| {
        let rest = &bytes[at + LIBC_MARK.len()..];
        let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.')?;
        let text = std::str::from_utf8(&rest[..end.min(LIBC_VERSION_BYTES_MAX)]).ok()?;
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    memchr::memmem::find_iter(bytes, LIBC_MARK).filter_map(version).max()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn the_highest_version_of_the_library_that_is_named_is_the_one_needed() {
        let table = b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.3.4\0GLIBC_PRIVATE\0GCC_9.0\0";
        assert_eq!(libc_needed(table), Some((2, 34)));
        assert_eq!(libc_needed(b"GLIBC_"), None);
        assert_eq!(libc_needed(b"nothing"), None);
    }

    #[tokio::test]
    async fn the_bytes_that_are_handed_out_are_those_of_the_hash() {
        let program = Program::default();
        let facts = program.facts().await.unwrap().clone();
        let body = program.body().await.unwrap().unwrap().collect().await.unwrap().to_bytes();
        let digest = ring::digest::digest(&ring::digest::SHA256, &body);
        let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!((hex, body.len() as u64), (facts.sha256, facts.bytes));
        assert!(facts.libc.is_none_or(|needed| needed >= (2, 14)), "{:?}", facts.libc);
    }

    #[tokio::test]
    async fn downloads_beyond_the_limit_are_turned_away_and_a_finished_one_makes_room() {
        let program = Program::default();
        let mut bodies = Vec::new();
        for _ in 0..DOWNLOADS_MAX {
            bodies.push(program.body().await.unwrap().unwrap());
        }
        assert!(program.body().await.unwrap().is_none());
        bodies.clear();
        let room = async {
            while program.body().await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(STALL_TIMEOUT / 2, room).await.unwrap();
    }
}
