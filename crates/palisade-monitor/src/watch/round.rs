//! One turn of the sampler: what is due now is done, and then it is said how long there is nothing.

use super::pace::{Clocks, RING_STEP_S, SECOND_NS, following_ns, gap_ns, left};
use super::{Fares, Questions};
use crate::catalogue;
use crate::difference;
use crate::limit::{Budget, Level, Limit, Reading, Used};
use crate::model::{Asked, Frame, Sent, SeriesKey, TopProcess};
use crate::ring::Ring;
use crate::setting::{InForce, Settings};
use crate::watched::Watched;
use palisade_guard::WatchContext;
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::{Process, Sample, Sampler};
use std::sync::Arc;
use std::time::Duration;

/// The first frame comes this long after the start.
const FIRST_NS: u64 = SECOND_NS;
/// A live frame of a longer interval says nothing about a second.
const LIVE_INTERVAL_S_MAX: f64 = 5.0;
/// In the middle of a second, so that each live frame falls into one of its own.
const LIVE_SHARE: f64 = 0.5;
/// What was counted of processes stands until it is counted again, but not for longer than this.
const STANDING_NS_MAX: u64 = 90 * SECOND_NS;
/// What the row of a process takes in memory, with its name; bytes.
const ROW_BYTES: u64 = size_of::<Process>() as u64 + 32;
/// One answer a second, whoever asks.
const ANSWER_GAP_NS: u64 = SECOND_NS;

/// The lists of processes of a frame.
#[derive(Debug, Clone, Default)]
struct Lists {
    by_cpu: Vec<TopProcess>,
    by_memory: Vec<TopProcess>,
    by_io: Vec<TopProcess>,
}

/// What is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    frame: bool,
    live: bool,
    ring: bool,
    processes: bool,
}

/// The sampler's state. Belongs to one thread.
pub struct Round<'a> {
    sampler: Sampler,
    files: ProcessFiles,
    clocks: &'a dyn Clocks,
    jitter: f64,
    settings: Arc<Settings>,
    questions: Arc<Questions>,
    fares: Arc<Fares>,
    in_force: Arc<InForce>,
    limit: Limit,
    ring: Ring,
    watched: Watched,
    now: Sample,
    /// At the last frame; with the processes of then if they were read for it.
    base: Sample,
    /// At the last frame for which processes were read, if that was not the last one.
    lists_base: Option<Sample>,
    /// At the last step of the ring, and at the last live frame; without processes.
    step_base: Sample,
    live_base: Sample,
    /// At the last reading of processes while somebody looked on.
    live_lists_base: Option<Sample>,
    lists: Lists,
    live_lists: Lists,
    /// Counts of processes as of `read_ns`, by series.
    counts: Vec<(String, f64)>,
    read_ns: u64,
    cost_ns: u64,
    frame_at_ns: u64,
    live_at_ns: Option<u64>,
    ring_at_ns: u64,
    ring_listed_ns: u64,
    answer_at_ns: u64,
    was_live: bool,
}

impl<'a> Round<'a> {
    /// Takes the first sample, which the first frame begins with.
    pub(super) fn new(
        sampler: Sampler,
        files: ProcessFiles,
        clocks: &'a dyn Clocks,
        jitter: f64,
        (settings, questions, fares): (Arc<Settings>, Arc<Questions>, Arc<Fares>),
    ) -> Round<'a> {
        let in_force = settings.now();
        let now_ns = clocks.boot_ns();
        let mut round = Round {
            sampler,
            files,
            clocks,
            jitter,
            settings,
            questions,
            fares,
            in_force,
            limit: Limit::default(),
            ring: Ring::default(),
            watched: Watched::default(),
            now: Sample::default(),
            base: Sample::default(),
            lists_base: None,
            step_base: Sample::default(),
            live_base: Sample::default(),
            live_lists_base: None,
            lists: Lists::default(),
            live_lists: Lists::default(),
            counts: Vec::new(),
            read_ns: now_ns,
            cost_ns: 0,
            frame_at_ns: now_ns + FIRST_NS,
            live_at_ns: None,
            ring_at_ns: now_ns + u64::from(RING_STEP_S) * SECOND_NS,
            ring_listed_ns: 0,
            answer_at_ns: now_ns,
            was_live: false,
        };
        round.take_system();
        round.read_processes(true);
        copy_system(&mut round.step_base, &mut round.now);
        copy_system(&mut round.live_base, &mut round.now);
        std::mem::swap(&mut round.base, &mut round.now);
        round
    }

    /// With a budget other than the published one.
    pub fn with_budget(mut self, budget: Budget) -> Round<'a> {
        self.limit = Limit::new(budget);
        self
    }

    /// How much is done now.
    pub fn level(&self) -> Level {
        self.limit.level()
    }

    /// What the sampler holds, bytes; most of it are the names and numbers of processes.
    pub fn bytes(&self) -> u64 {
        let optional = |sample: &Option<Sample>| sample.as_ref().map_or(0, |s| s.processes.len());
        let rows = self.base.processes.len() * 2 + optional(&self.lists_base) + optional(&self.live_lists_base);
        self.ring.bytes() as u64 + self.watched.bytes() + rows as u64 * ROW_BYTES
    }

    /// True when a turn would do something before its time: a question has come, or another setting.
    pub fn is_woken(&self) -> bool {
        let may_answer = !self.questions.is_empty() && self.clocks.boot_ns() >= self.answer_at_ns;
        may_answer || self.settings.now().revision != self.in_force.revision
    }

    /// Does what is due, and says how long there is nothing to do unless it is woken.
    pub fn turn(&mut self, context: &WatchContext) -> Duration {
        self.adopt_setting();
        let now_ns = self.clocks.boot_ns();
        self.look_on(context.live(), now_ns);
        let due = self.due(now_ns);
        if due.frame || due.live || due.ring {
            self.sample(due, context);
        }
        self.answer(context);
        let next_ns = [Some(self.frame_at_ns), Some(self.ring_at_ns), self.live_at_ns].into_iter().flatten().min();
        left(self.clocks.boot_ns(), next_ns.unwrap_or(self.frame_at_ns)).max(Duration::from_millis(1))
    }

    fn adopt_setting(&mut self) {
        let setting = self.settings.now();
        if setting.revision == self.in_force.revision {
            return;
        }
        let now_ns = self.clocks.boot_ns();
        let following_ns = now_ns + following_ns(self.clocks.wall(), setting.spec.interval_s, self.jitter);
        self.frame_at_ns = self.frame_at_ns.min(following_ns);
        self.watched.rules_changed(&setting.rules);
        self.in_force = setting;
    }

    fn look_on(&mut self, live: bool, now_ns: u64) {
        if live && !self.was_live {
            self.live_at_ns = Some(now_ns);
            self.live_lists = self.lists.clone();
        }
        if !live && self.was_live {
            (self.live_at_ns, self.live_lists_base, self.live_lists) = (None, None, Lists::default());
        }
        self.was_live = live;
    }

    fn due(&self, now_ns: u64) -> Due {
        let frame = now_ns >= self.frame_at_ns;
        let live = self.live_at_ns.is_some_and(|at_ns| now_ns >= at_ns);
        let ring = now_ns >= self.ring_at_ns;
        Due { frame, live, ring, processes: self.processes_due(frame, now_ns) }
    }

    /// Processes are read less often where there are many. Where a frame can afford a reading of its
    /// own it has one, and there is none so shortly before that both would be too much.
    fn processes_due(&self, frame: bool, now_ns: u64) -> bool {
        let level = self.limit.level();
        if level >= Level::SystemOnly {
            return false;
        }
        let interval_ns = u64::from(self.in_force.spec.interval_s) * SECOND_NS;
        let wanted_s = match level {
            Level::SlowRing => super::pace::PASS_GAP_S_MAX,
            _ if self.was_live => 1,
            _ => u64::from(self.in_force.spec.interval_s.min(RING_STEP_S)),
        };
        let gap_ns = gap_ns(self.cost_ns, wanted_s);
        if interval_ns >= gap_ns {
            return frame
                || (now_ns + SECOND_NS / 4 >= self.read_ns + gap_ns
                    && now_ns + gap_ns <= self.frame_at_ns + SECOND_NS / 4);
        }
        // turns come a little late, and must not wait for the next one because of it
        now_ns + SECOND_NS / 4 >= self.read_ns + gap_ns
    }

    fn sample(&mut self, due: Due, context: &WatchContext) {
        self.take_system();
        if due.processes {
            self.read_processes(due.ring);
        }
        if due.ring {
            self.ring_step();
        }
        if due.live {
            self.live_frame(context);
        }
        if due.frame {
            self.frame(context);
        }
    }

    fn take_system(&mut self) {
        self.sampler.take_system(&mut self.now);
        (self.now.at, self.now.boot_ns) = (self.clocks.wall(), self.clocks.boot_ns());
    }

    /// Reads all processes, and what is kept of them; what that has cost says when it is done again.
    fn read_processes(&mut self, ring_due: bool) {
        let begun_ns = self.clocks.thread_cpu_ns();
        self.sampler.take_processes(&mut self.now);
        let (level, boot_ns) = (self.limit.level(), self.now.boot_ns);
        let step_ns = u64::from(RING_STEP_S) * SECOND_NS;
        if ring_due || boot_ns >= self.ring_listed_ns + step_ns {
            self.ring_listed_ns = boot_ns;
            let all = (&self.now.processes[..], self.now.kernel.cpus.len());
            self.ring.list(self.now.at, boot_ns, all, &mut self.files, level);
        }
        self.watched.read(&self.in_force.rules, &self.now.processes, boot_ns, &mut self.files, level);
        self.read_ns = boot_ns;
        let cost_ns = self.clocks.thread_cpu_ns().saturating_sub(begun_ns);
        self.cost_ns = if self.cost_ns == 0 { cost_ns } else { (self.cost_ns + cost_ns) / 2 };
    }

    fn ring_step(&mut self) {
        let step_ns = u64::from(RING_STEP_S) * SECOND_NS;
        let now_ns = self.now.boot_ns;
        // what was slept through is not made up for
        self.ring_at_ns = (self.ring_at_ns + step_ns).max(now_ns + step_ns / 2);
        let rows = std::mem::take(&mut self.now.processes);
        let step = difference::frame(&self.step_base, &self.now, &mut |_| None);
        self.now.processes = rows;
        self.ring.step(self.now.at, &step.metrics);
        copy_system(&mut self.step_base, &mut self.now);
        self.judge();
    }

    /// Compares what is used with the budget.
    fn judge(&mut self) {
        let reading = Reading {
            boot_ns: self.now.boot_ns,
            agent_cpu_us: self.clocks.process_cpu_us(),
            own_cpu_ns: self.clocks.thread_cpu_ns(),
            rss_bytes: self.now.agent.rss_bytes,
            own_bytes: self.bytes(),
        };
        let change = self.limit.judge(reading);
        self.fares.put(self.limit.level(), self.limit.used());
        let Some(change) = change else { return };
        if change.after >= Level::SystemOnly {
            self.watched.pause();
            self.counts.clear();
            self.lists = Lists::default();
        }
        let Used { cpu_ratio, own_cpu_ratio, rss_bytes, own_bytes } = change.used;
        let (before, after) = (change.before.as_str(), change.after.as_str());
        tracing::warn!(
            guard = "monitor",
            before,
            after,
            cpu_ratio,
            own_cpu_ratio,
            rss_bytes,
            own_bytes,
            "the sampler changes how much it does to stay within the agent's budget"
        );
    }

    fn frame(&mut self, context: &WatchContext) {
        let step_s = self.in_force.spec.interval_s;
        self.frame_at_ns = self.now.boot_ns + following_ns(self.now.at, step_s, self.jitter);
        let has_processes = self.now.process_states.is_some();
        let sampler = &mut self.sampler;
        let detail = &mut |process: &Process| sampler.detail(process);
        let mut frame = difference::frame(&self.base, &self.now, detail);
        if has_processes {
            let lists = match self.lists_base.take() {
                Some(base) => Lists::of(&difference::frame(&base, &self.now, detail)),
                None => Lists::of(&frame),
            };
            self.lists = lists;
            self.counts = counts(&frame);
        }
        frame.step_s = step_s;
        self.lists.clone().into_frame(&mut frame);
        self.add_standing(&mut frame);
        emit(context, &frame);
        // the old base becomes the room for the next sample
        std::mem::swap(&mut self.base, &mut self.now);
        if !has_processes && self.lists_base.is_none() && self.now.process_states.is_some() {
            self.lists_base = Some(std::mem::take(&mut self.now));
        }
    }

    /// The lists of processes stand until they are read again.
    fn live_frame(&mut self, context: &WatchContext) {
        self.live_at_ns = Some(self.now.boot_ns + following_ns(self.now.at, 1, LIVE_SHARE));
        let sampler = &mut self.sampler;
        if self.now.process_states.is_some() {
            let before = self.live_lists_base.as_ref().unwrap_or(&self.base);
            let frame = difference::frame(before, &self.now, &mut |process| sampler.detail(process));
            self.live_lists = Lists::of(&frame);
            self.counts = counts(&frame);
            self.live_lists_base = Some(self.now.clone());
        }
        let rows = std::mem::take(&mut self.now.processes);
        let mut frame = difference::frame(&self.live_base, &self.now, &mut |_| None);
        self.now.processes = rows;
        copy_system(&mut self.live_base, &mut self.now);
        if frame.interval_s > LIVE_INTERVAL_S_MAX {
            return; // the first one after a pause is no second
        }
        (frame.step_s, frame.live) = (1, true);
        self.live_lists.clone().into_frame(&mut frame);
        self.add_standing(&mut frame);
        emit(context, &frame);
    }

    /// Adds what is not a difference of two samples: what was counted of processes, as long as it is
    /// not too old, and how much the sampler does.
    fn add_standing(&self, frame: &mut Frame) {
        if self.now.boot_ns <= self.read_ns + STANDING_NS_MAX && self.limit.level() < Level::SystemOnly {
            let all = self.counts.iter().chain(self.watched.values());
            frame.metrics.extend(all.filter(|(key, value)| is_possible(key, *value)).cloned());
        }
        frame.metrics.insert("agent_limit_step".to_owned(), f64::from(self.limit.level().step()));
    }

    fn answer(&mut self, context: &WatchContext) {
        let now_ns = self.clocks.boot_ns();
        if now_ns < self.answer_at_ns {
            return;
        }
        let Some(Asked::Freeze { alarm, metric, from, to }) = self.questions.take() else { return };
        self.answer_at_ns = now_ns + ANSWER_GAP_NS;
        let cause = self.ring.cause(&alarm, &metric, from, to);
        emit_as(context, self.clocks.wall(), &Sent::Cause { cause });
    }
}

impl Lists {
    fn of(frame: &Frame) -> Lists {
        Lists { by_cpu: frame.by_cpu.clone(), by_memory: frame.by_memory.clone(), by_io: frame.by_io.clone() }
    }

    fn into_frame(self, frame: &mut Frame) {
        (frame.by_cpu, frame.by_memory, frame.by_io) = (self.by_cpu, self.by_memory, self.by_io);
    }
}

/// Copies all but the processes.
fn copy_system(into: &mut Sample, from: &mut Sample) {
    let rows = std::mem::take(&mut from.processes);
    into.clone_from(from);
    from.processes = rows;
}

/// What a frame counts of processes.
fn counts(frame: &Frame) -> Vec<(String, f64)> {
    let is_count = |key: &str| key == "process_count" || key.starts_with("processes{");
    frame.metrics.iter().filter(|(key, _)| is_count(key)).map(|(key, value)| (key.clone(), *value)).collect()
}

fn is_possible(key: &str, value: f64) -> bool {
    let metric = SeriesKey::parse(key).and_then(|key| catalogue::metric(&key.name));
    metric.is_some_and(|metric| (0.0..=metric.max).contains(&value))
}

fn emit(context: &WatchContext, frame: &Frame) {
    emit_as(context, frame.at, frame);
}

fn emit_as(context: &WatchContext, at: palisade_core::Timestamp, body: &impl serde::Serialize) {
    match serde_json::to_value(body) {
        Ok(body) => context.emit(at, body),
        Err(error) => tracing::error!(guard = "monitor", error = error.to_string(), "a record cannot be written"),
    }
}
