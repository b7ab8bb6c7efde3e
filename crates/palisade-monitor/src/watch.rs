//! The sampler in the agent: a frame as often as the host is told, one a second while somebody looks
//! on, and a ring of finer steps that an alarm can ask for.
//!
//! [`round`] does what is due, [`pace`] says when something is. [`crate::limit`] holds the sampler to
//! its budget, [`crate::setting`] says what it is told, [`question`] is what the server asks.

pub mod pace;
pub mod question;
pub mod round;

use crate::limit::{CPU_RATIO_MAX, Level, RSS_BYTES_MAX, Used};
use crate::server_watch;
use crate::setting::Settings;
use pace::MachineClocks;
use palisade_guard::{Host, Watch, WatchContext};
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::Sampler;
use question::Questions;
use round::Round;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples this host, as it is told to. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Sampling {
    settings: Arc<Settings>,
    questions: Arc<Questions>,
    fares: Arc<Fares>,
}

/// How the sampler fares, for whoever asks on the host.
#[derive(Debug, Default)]
pub struct Fares(Mutex<(Level, Used)>);

impl Fares {
    fn put(&self, level: Level, used: Used) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (level, used);
    }

    fn get(&self) -> (Level, Used) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sampling {
    /// Goes by these settings, also when they change.
    pub fn new(settings: Arc<Settings>) -> Sampling {
        Sampling { settings, ..Sampling::default() }
    }

    /// The loop, on a `/proc` of its own and with clocks of its own.
    pub fn round<'a>(
        &self,
        sampler: Sampler,
        files: ProcessFiles,
        clocks: &'a dyn pace::Clocks,
        host: &Host,
    ) -> Round<'a> {
        let Sampling { settings, questions, fares } = self.clone();
        Round::new(sampler, files, clocks, pace::jitter(&host.id), (settings, questions, fares))
    }
}

/// Says that it is over when it is dropped, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Watch for Sampling {
    fn watch(&self, host: &Host, context: &WatchContext) {
        if !host.root.is_live() {
            return; // a scratch root has no counters
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| server_watch::run::run(host, &self.settings, context, &over));
            // however sampling ends, it is begun anew only when the other thread has ended too
            let _over = Over(&over);
            self.sample(host, context);
        });
    }

    fn asked(&self, body: &Value) {
        if !self.questions.put(body) {
            tracing::warn!(guard = "monitor", "passed over a question that makes no sense or is too much");
        }
    }

    fn status(&self) -> Value {
        let (level, used) = self.fares.get();
        let spec = self.settings.now().spec.clone();
        json!({
            "interval_s": spec.interval_s,
            "watches": spec.watches.len(),
            "server_watches": spec.server_watches.len(),
            "limit": level.as_str(),
            "agent_cpu_ratio": used.cpu_ratio,
            "agent_cpu_ratio_max": CPU_RATIO_MAX,
            "sampler_cpu_ratio": used.own_cpu_ratio,
            "agent_memory_bytes": used.rss_bytes,
            "agent_memory_bytes_max": RSS_BYTES_MAX,
            "sampler_memory_bytes": used.own_bytes,
        })
    }
}

impl Sampling {
    fn sample(&self, host: &Host, context: &WatchContext) {
        let opened =
            Sampler::live().and_then(|sampler| Ok((sampler.with_hardware(), ProcessFiles::at(Path::new("/"))?)));
        let (sampler, files) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(guard = "monitor", error = palisade_guard::contract::chain(&error), "cannot sample");
                return;
            }
        };
        let mut round = self.round(sampler, files, &MachineClocks, host);
        while !context.ended() {
            let wait = round.turn(context);
            context.wait_or(wait, &|| round.is_woken());
        }
    }
}
