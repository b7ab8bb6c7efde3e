//! A sampler on a tree of files, with clocks that the test turns.

use crate::tree::Tree;
use palisade_core::Timestamp;
use palisade_guard::{Host, WatchContext};
use palisade_monitor::limit::Budget;
use palisade_monitor::model::{Cause, Frame};
use palisade_monitor::setting::Settings;
use palisade_monitor::watch::Sampling;
use palisade_monitor::watch::pace::Clocks;
use palisade_monitor::watch::round::Round;
use palisade_sys::Root;
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::{Sampler, agent_use, thread_cpu_ns};
use serde::Deserialize;
use serde_json::Value;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// When the test begins, in seconds since the host was started.
pub const BEGIN_S: u64 = 1_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Clocks that stand until they are turned. CPU time is the real one.
pub struct TestClocks {
    boot_ns: Cell<u64>,
    /// How far the wall clock is off, in seconds.
    off_s: Cell<i64>,
}

impl Clocks for TestClocks {
    fn wall(&self) -> Timestamp {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let since = jiff::SignedDuration::from_nanos((self.boot_ns.get() - BEGIN_S * SECOND_NS) as i64);
        noon + since + jiff::SignedDuration::from_secs(self.off_s.get())
    }

    fn boot_ns(&self) -> u64 {
        self.boot_ns.get()
    }

    fn thread_cpu_ns(&self) -> u64 {
        thread_cpu_ns()
    }

    fn process_cpu_us(&self) -> u64 {
        agent_use().cpu_us
    }
}

pub struct BenchHost {
    pub tree: Tree,
    pub settings: Arc<Settings>,
    pub sampling: Sampling,
    pub round: Round<'static>,
    pub live: Arc<AtomicBool>,
    clocks: &'static TestClocks,
    context: WatchContext,
    sent: Arc<Mutex<Vec<Value>>>,
}

impl BenchHost {
    pub fn new(tree: Tree) -> BenchHost {
        BenchHost::with_budget(tree, Budget::default())
    }

    pub fn with_budget(tree: Tree, budget: Budget) -> BenchHost {
        let clocks: &'static TestClocks =
            Box::leak(Box::new(TestClocks { boot_ns: Cell::new(BEGIN_S * SECOND_NS), off_s: Cell::new(0) }));
        let settings: Arc<Settings> = Arc::default();
        let sampling = Sampling::new(Arc::clone(&settings));
        let host = Host { id: "web-1".parse().unwrap(), root: Root::live() };
        let sampler = Sampler::at(tree.path(), crate::tree::space).unwrap();
        let round = sampling.round(sampler, ProcessFiles::at(tree.path()).unwrap(), clocks, &host).with_budget(budget);
        let (sent, live): (Arc<Mutex<Vec<Value>>>, Arc<AtomicBool>) = Default::default();
        let (into, on) = (Arc::clone(&sent), Arc::clone(&live));
        let emit = move |_, body| into.lock().unwrap().push(body);
        let context = WatchContext::new(emit, move || on.load(Ordering::Relaxed), Arc::default());
        BenchHost { tree, settings, sampling, round, live, clocks, context, sent }
    }

    /// Lets time pass: every turn that falls into it is taken.
    pub fn pass_s(&mut self, seconds: u64) {
        let end_ns = self.clocks.boot_ns.get() + seconds * SECOND_NS;
        loop {
            let wait_ns = self.round.turn(&self.context).as_nanos() as u64;
            let next_ns = self.clocks.boot_ns.get() + wait_ns;
            if next_ns > end_ns {
                self.clocks.boot_ns.set(end_ns);
                return;
            }
            self.clocks.boot_ns.set(next_ns);
        }
    }

    /// Sets the wall clock.
    pub fn set_clock_by_s(&self, seconds: i64) {
        self.clocks.off_s.set(self.clocks.off_s.get() + seconds);
    }

    pub fn wall(&self) -> Timestamp {
        self.clocks.wall()
    }

    /// What was sent since the last call.
    pub fn sent(&self) -> Vec<Value> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    /// The frames among it, without those of the live view.
    pub fn frames(&self) -> Vec<Frame> {
        let all = self.sent().into_iter().filter_map(|body| Frame::deserialize(&body).ok());
        all.filter(|frame| !frame.live).collect()
    }

    /// Asks what was the cause of an alarm about `metric` in the last `seconds`.
    pub fn cause(&mut self, metric: &str, seconds: i64) -> Cause {
        use palisade_guard::Watch;
        self.sent();
        let (from, to) = (self.wall() - jiff::SignedDuration::from_secs(seconds), self.wall());
        self.sampling
            .asked(&serde_json::json!({ "freeze": { "alarm": "a-1", "metric": metric, "from": from, "to": to } }));
        assert!(self.round.is_woken());
        self.round.turn(&self.context);
        let answer = self.sent().into_iter().find(|body| body["cause"].is_object()).expect("an answer");
        Cause::deserialize(&answer["cause"]).unwrap()
    }
}

/// One process of a tree.
#[derive(Clone)]
pub struct Proc {
    pub pid: u32,
    pub name: &'static str,
    pub start_s: u64,
    pub cpu_ticks: u64,
    pub rss_pages: u64,
    pub state: char,
}

impl Proc {
    pub fn new(pid: u32, name: &'static str, start_s: u64) -> Proc {
        Proc { pid, name, start_s, cpu_ticks: 0, rss_pages: 100, state: 'S' }
    }

    /// Writes its `stat`.
    pub fn put(&self, tree: &Tree) {
        let Proc { pid, name, start_s, cpu_ticks, rss_pages, state } = self;
        let start_ticks = start_s * 100;
        tree.write(
            &format!("proc/{pid}/stat"),
            format!("{pid} ({name}) {state} 1 1 1 0 -1 4 1 1 1 1 {cpu_ticks} 0 1 1 20 0 2 0 {start_ticks} 4096 {rss_pages} 1\n"),
        );
    }

    /// Writes who it is.
    pub fn who(&self, tree: &Tree, command: &str, unit: &str) {
        tree.process(self.pid, "www-data", &command.replace(' ', "\0"));
        tree.write(&format!("proc/{}/cgroup", self.pid), format!("0::/system.slice/{unit}\n"));
    }

    /// Writes what it has moved.
    pub fn moved(&self, tree: &Tree, read_bytes: u64, written_bytes: u64) {
        let text = format!(
            "rchar: 1\nwchar: 1\nread_bytes: {read_bytes}\nwrite_bytes: {written_bytes}\ncancelled_write_bytes: 0\n"
        );
        tree.write(&format!("proc/{}/io", self.pid), text);
    }

    /// It ends.
    pub fn end(&self, tree: &Tree) {
        std::fs::remove_dir_all(tree.path().join(format!("proc/{}", self.pid))).unwrap();
    }
}
