//! The sampler holds itself to a budget: when the agent costs too much and the sampler is why, it does
//! less, step by step, and more again after a calm while. The system's own metrics are never given up.
//!
//! What is judged is what was measured (rusage, statm), never guessed. Nothing is taken away that
//! would not help: while another guard of the agent is at work and the sampler itself costs little, all
//! stays as it is.

use std::collections::VecDeque;

/// What the whole agent may use of one core, on average over [`WINDOW_S`].
pub const CPU_RATIO_MAX: f64 = 0.01;
/// Resident memory of the whole agent, bytes.
pub const RSS_BYTES_MAX: u64 = 60 << 20;
/// A sampler that uses less of one core than this is not what costs too much.
pub const OWN_CPU_RATIO_MIN: f64 = 0.0025;
/// A sampler that holds less than this is not what holds too much, bytes.
pub const OWN_BYTES_MIN: u64 = 8 << 20;
/// What is averaged over.
pub const WINDOW_S: u64 = 60;
/// A step is judged by what was measured since it began, for at least so long.
const SETTLED_S: u64 = 30;
/// So long it has to be calm before more is done again; twice as long after each time that this was
/// too early, up to [`CALM_S_MAX`].
const CALM_S: u64 = 300;
const CALM_S_MAX: u64 = 3_600;
/// Calm is below this part of the budget.
const CALM_PART: f64 = 0.6;
/// Readings that are kept; one comes every five seconds.
const READINGS_MAX: usize = 64;

/// How much is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    #[default]
    Full,
    /// Open files are not counted.
    NoFileCounts,
    /// Of processes only what their table says: number, CPU, memory, threads; not what they move to
    /// and from disks.
    TopOnly,
    /// Processes are read once a minute.
    SlowRing,
    /// Processes are not read at all.
    SystemOnly,
}

impl Level {
    const ALL: [Level; 5] = [Level::Full, Level::NoFileCounts, Level::TopOnly, Level::SlowRing, Level::SystemOnly];

    /// As it stands in logs and in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Full => "full",
            Level::NoFileCounts => "no-file-counts",
            Level::TopOnly => "top-only",
            Level::SlowRing => "slow-ring",
            Level::SystemOnly => "system-only",
        }
    }

    /// 0 to 4, as in the metric `agent_limit_step`.
    pub fn step(self) -> u8 {
        self as u8
    }

    fn less(self) -> Option<Level> {
        Level::ALL.get(usize::from(self.step()) + 1).copied()
    }

    fn more(self) -> Option<Level> {
        usize::from(self.step()).checked_sub(1).map(|step| Level::ALL[step])
    }
}

/// What was used up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_BOOTTIME, nanoseconds.
    pub boot_ns: u64,
    /// CPU time of the whole agent, microseconds.
    pub agent_cpu_us: u64,
    /// CPU time of the sampler's thread, nanoseconds.
    pub own_cpu_ns: u64,
    /// Resident memory of the whole agent, bytes.
    pub rss_bytes: u64,
    /// What the sampler holds, bytes.
    pub own_bytes: u64,
}

/// What may be used; the published one unless a test says otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// See [`CPU_RATIO_MAX`].
    pub cpu_ratio: f64,
    /// See [`OWN_CPU_RATIO_MIN`].
    pub own_cpu_ratio: f64,
    /// See [`RSS_BYTES_MAX`].
    pub rss_bytes: u64,
    /// See [`OWN_BYTES_MIN`].
    pub own_bytes: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            cpu_ratio: CPU_RATIO_MAX,
            own_cpu_ratio: OWN_CPU_RATIO_MIN,
            rss_bytes: RSS_BYTES_MAX,
            own_bytes: OWN_BYTES_MIN,
        }
    }
}

/// What the agent and the sampler in it use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// The agent, as a share of one core.
    pub cpu_ratio: f64,
    /// The sampler, as a share of one core.
    pub own_cpu_ratio: f64,
    /// The agent's resident memory, bytes.
    pub rss_bytes: u64,
    /// What the sampler holds, bytes.
    pub own_bytes: u64,
}

/// A step that was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// From.
    pub before: Level,
    /// To.
    pub after: Level,
    /// Because of this.
    pub used: Used,
}

/// The judge. Pure: what was measured comes in.
#[derive(Debug, Default)]
pub struct Limit {
    budget: Budget,
    level: Level,
    readings: VecDeque<Reading>,
    calm_since_ns: Option<u64>,
    /// How long it has to be calm, seconds; 0 stands for [`CALM_S`].
    calm_s: u64,
    rose_back: bool,
}

impl Limit {
    /// With a budget of one's own.
    pub fn new(budget: Budget) -> Limit {
        Limit { budget, ..Limit::default() }
    }

    /// How much is done now.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What was used on average since the beginning of the window or of the step, whichever is later.
    pub fn used(&self) -> Used {
        let (Some(first), Some(last)) = (self.readings.front(), self.readings.back()) else { return Used::default() };
        let seconds = last.boot_ns.saturating_sub(first.boot_ns) as f64 / 1e9;
        let share = |spent: f64| if seconds > 0.0 { spent / seconds } else { 0.0 };
        Used {
            cpu_ratio: share(last.agent_cpu_us.saturating_sub(first.agent_cpu_us) as f64 / 1e6),
            own_cpu_ratio: share(last.own_cpu_ns.saturating_sub(first.own_cpu_ns) as f64 / 1e9),
            rss_bytes: last.rss_bytes,
            own_bytes: last.own_bytes,
        }
    }

    /// Takes a reading, and a step if one is due.
    pub fn judge(&mut self, reading: Reading) -> Option<Change> {
        self.take(reading);
        let first_ns = self.readings.front().map_or(reading.boot_ns, |first| first.boot_ns);
        if reading.boot_ns - first_ns < SETTLED_S * 1_000_000_000 {
            return None;
        }
        let used = self.used();
        if self.is_over(&used) {
            self.calm_since_ns = None;
            return self.level.less().map(|after| self.step(after, used, reading));
        }
        if !self.is_calm(&used) {
            self.calm_since_ns = None;
            return None;
        }
        let since_ns = *self.calm_since_ns.get_or_insert(reading.boot_ns);
        let calm_s = (reading.boot_ns - since_ns) / 1_000_000_000;
        let after = self.level.more().filter(|_| calm_s >= self.calm_s.max(CALM_S))?;
        Some(self.step(after, used, reading))
    }

    fn take(&mut self, reading: Reading) {
        if self.readings.back().is_some_and(|last| reading.boot_ns <= last.boot_ns) {
            self.readings.clear(); // the clock of the machine does not go back; nothing of before counts
            self.calm_since_ns = None;
        }
        self.readings.push_back(reading);
        let window_ns = WINDOW_S * 1_000_000_000;
        while self.readings.len() > READINGS_MAX
            || self.readings.get(1).is_some_and(|second| reading.boot_ns - second.boot_ns >= window_ns)
        {
            self.readings.pop_front();
        }
    }

    fn step(&mut self, after: Level, used: Used, reading: Reading) -> Change {
        let change = Change { before: self.level, after, used };
        let is_less = after > self.level;
        if is_less && self.rose_back {
            // doing more again was too early
            self.calm_s = (self.calm_s.max(CALM_S) * 2).min(CALM_S_MAX);
        }
        self.rose_back = !is_less;
        self.level = after;
        self.calm_since_ns = None;
        self.readings.clear();
        self.readings.push_back(reading);
        change
    }

    fn is_over(&self, used: &Used) -> bool {
        let cpu = used.cpu_ratio > self.budget.cpu_ratio && used.own_cpu_ratio > self.budget.own_cpu_ratio;
        let memory = used.rss_bytes > self.budget.rss_bytes && used.own_bytes > self.budget.own_bytes;
        cpu || memory
    }

    fn is_calm(&self, used: &Used) -> bool {
        let below = |used: f64, budget: f64| used < CALM_PART * budget;
        let cpu = below(used.cpu_ratio, self.budget.cpu_ratio) || below(used.own_cpu_ratio, self.budget.own_cpu_ratio);
        let memory = below(used.rss_bytes as f64, self.budget.rss_bytes as f64)
            || below(used.own_bytes as f64, self.budget.own_bytes as f64);
        cpu && memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a reading every five seconds; the share of a core may change with the level.
    struct Run {
        limit: Limit,
        now: Reading,
        steps: Vec<(u64, Level)>,
    }

    impl Run {
        fn new() -> Run {
            Run { limit: Limit::default(), now: Reading { boot_ns: 1, ..Reading::default() }, steps: Vec::new() }
        }

        fn go(&mut self, seconds: u64, agent: impl Fn(Level) -> f64, own: impl Fn(Level) -> f64) {
            for _ in 0..seconds / 5 {
                let level = self.limit.level();
                self.now.boot_ns += 5_000_000_000;
                self.now.agent_cpu_us += (agent(level) * 5e6) as u64;
                self.now.own_cpu_ns += (own(level) * 5e9) as u64;
                if let Some(change) = self.limit.judge(self.now) {
                    self.steps.push((self.now.boot_ns / 1_000_000_000, change.after));
                }
            }
        }

        fn levels(&self) -> Vec<Level> {
            self.steps.iter().map(|(_, level)| *level).collect()
        }
    }

    #[test]
    fn it_goes_down_step_by_step_to_the_last_and_stays_there() {
        let mut run = Run::new();
        run.go(600, |_| 0.05, |_| 0.04);
        assert_eq!(run.levels(), [Level::NoFileCounts, Level::TopOnly, Level::SlowRing, Level::SystemOnly]);
        let first_s = run.steps[0].0;
        assert!((30..=60).contains(&first_s), "the first step came after {first_s} s");
        let each = run.steps.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(each.min() >= Some(30), "a step is judged by what it has brought: {:?}", run.steps);
    }

    #[test]
    fn it_stops_at_the_step_that_is_enough() {
        let mut run = Run::new();
        let own = |level| if level >= Level::TopOnly { 0.007 } else { 0.02 };
        run.go(1_200, own, own);
        assert_eq!(run.levels(), [Level::NoFileCounts, Level::TopOnly]);
    }

    #[test]
    fn after_a_calm_while_it_does_more_again_and_waits_longer_if_that_was_too_early() {
        let mut run = Run::new();
        run.go(40, |_| 0.05, |_| 0.04);
        let begun_s = run.now.boot_ns / 1_000_000_000;
        run.steps.clear();
        // calm only as long as little is done
        let own = |level| if level >= Level::NoFileCounts { 0.001 } else { 0.02 };
        run.go(4_000, own, own);
        assert_eq!(run.steps[0].1, Level::Full);
        assert!(run.steps[0].0 - begun_s >= CALM_S, "{:?}", run.steps);
        let rises: Vec<u64> = run.steps.iter().filter(|(_, level)| *level == Level::Full).map(|(at, _)| *at).collect();
        let waits: Vec<u64> = rises.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits.len() >= 2 && waits.windows(2).all(|pair| pair[1] > pair[0]), "{waits:?}");
    }

    #[test]
    fn what_other_guards_use_takes_nothing_away() {
        let mut run = Run::new();
        run.now.rss_bytes = 2 * RSS_BYTES_MAX;
        run.go(3_600, |_| 0.3, |_| 0.002);
        assert_eq!(run.levels(), []);
    }

    #[test]
    fn memory_that_the_sampler_holds_counts_too() {
        let mut run = Run::new();
        (run.now.rss_bytes, run.now.own_bytes) = (RSS_BYTES_MAX + 1, 2 * OWN_BYTES_MIN);
        run.go(300, |_| 0.001, |_| 0.001);
        assert_eq!(run.levels().last(), Some(&Level::SystemOnly));
    }

    #[test]
    fn a_burst_of_a_few_seconds_takes_nothing_away() {
        let mut run = Run::new();
        run.go(60, |_| 0.002, |_| 0.002);
        run.go(5, |_| 0.06, |_| 0.06);
        run.go(300, |_| 0.002, |_| 0.002);
        assert_eq!(run.levels(), []);
    }
}
