//! The thread on the host that looks whether the server is heard.

use super::judge::{Judge, Moment, Open};
use super::tell;
use crate::setting::Settings;
use palisade_core::{Clock, SystemClock};
use palisade_guard::{Host, WatchContext};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What was told, in the directory of the agent's state.
const FILE: &str = "server-watch.json";

/// Runs until the agent ends, or it is `over`. An agent that has no directory tells nobody.
pub fn run(host: &Host, settings: &Settings, context: &WatchContext, over: &AtomicBool) {
    let Some(dir) = settings.state_dir() else { return };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(guard = crate::WORD, %error, "nobody is told when the server is silent"),
    };
    let (path, started) = (dir.join(FILE), Instant::now());
    let mut judge = Judge::new(read(&path), 0);
    let mut kept = judge.open().clone();
    while !context.ended() && !over.load(Ordering::Relaxed) {
        let now = Moment { ran_ms: started.elapsed().as_millis() as u64, wall: SystemClock.now() };
        let spec = settings.now();
        let letter = judge.turn(now, context.heard_s(), &spec.spec.server_watches);
        keep(&path, &mut kept, judge.open());
        if judge.wants_word(now, &spec.spec.server_watches) {
            context.report();
        }
        if let Some(letter) = letter {
            let (name, is_back) = (&letter.silence.watch.name, letter.back_at.is_some());
            let sent = runtime.block_on(tell::send(&letter, &host.id, now.wall));
            match &sent {
                Ok(()) => tracing::info!(guard = crate::WORD, watch = name, is_back, "told how the server is"),
                Err(error) => {
                    tracing::warn!(guard = crate::WORD, watch = name, is_back, error, "nobody was told; tried again");
                }
            }
            judge.answered(&letter, sent.is_ok());
            keep(&path, &mut kept, judge.open());
        }
        context.wait(LOOK_EVERY);
    }
}

/// What was told before the agent was started; nothing where that cannot be read.
fn read(path: &Path) -> Open {
    let Ok(text) = std::fs::read(path) else { return Open::default() };
    let read = serde_json::from_slice(&text);
    read.inspect_err(|error| tracing::warn!(guard = crate::WORD, %error, "what was told of the server cannot be read"))
        .unwrap_or_default()
}

fn keep(path: &Path, kept: &mut Open, open: &Open) {
    if kept == open {
        return;
    }
    if let Err(error) = write(path, open) {
        tracing::warn!(guard = crate::WORD, %error, "what was told of the server could not be stored");
    }
    kept.clone_from(open);
}

/// Beside it, synced, renamed over it; it may hold a secret.
fn write(path: &Path, open: &Open) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(&serde_json::to_vec(open)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
