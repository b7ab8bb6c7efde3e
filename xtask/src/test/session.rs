//! One run of the steps: what each came to, and what was counted on the way.

use crate::counts::{Counts, Tally};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How a step is carried out.
pub type Run = fn(&mut Session) -> Result<Ended>;

/// A part of the whole test.
pub struct Step {
    pub name: &'static str,
    /// Steps without which this one means nothing.
    pub needs: &'static [&'static str],
    pub run: Run,
}

/// How a step ended, if not in an error.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// Could not be tried here, and why.
    Skipped(String),
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Skipped,
    Failed(String),
    /// A step that it needs did not pass.
    Blocked(&'static str),
}

/// A step that is over.
pub struct Record {
    pub name: &'static str,
    pub outcome: Outcome,
    pub took: Duration,
}

/// What the steps share.
#[derive(Default)]
pub struct Session {
    pub with_console: bool,
    pub filter: Option<String>,
    pub yes: bool,
    /// The steps that are over.
    pub records: Vec<Record>,
    /// All tests of all runners.
    pub counts: Counts,
    /// Why tests and steps were skipped, once for each.
    pub reasons: Vec<String>,
    /// Counts that could not be read.
    pub uncounted: Vec<String>,
}

impl Session {
    /// Carries out every step whose needs have passed.
    pub fn take(&mut self, steps: &[Step]) {
        for step in steps {
            println!("\n== {}", step.name);
            let start = Instant::now();
            let outcome = self.outcome(step);
            let took = start.elapsed();
            println!("== {}: {} ({:.1} s)", step.name, outcome.word(), took.as_secs_f64());
            self.records.push(Record { name: step.name, outcome, took });
        }
    }

    fn outcome(&mut self, step: &Step) -> Outcome {
        let passed = |need: &str| self.records.iter().any(|r| r.name == need && r.outcome == Outcome::Passed);
        if let Some(need) = step.needs.iter().find(|need| !passed(need)) {
            return Outcome::Blocked(need);
        }
        match (step.run)(self) {
            Ok(Ended::Done) => Outcome::Passed,
            Ok(Ended::Skipped(why)) => {
                self.skip(&why);
                Outcome::Skipped
            }
            Err(error) => {
                println!("error: {error:#}");
                Outcome::Failed(format!("{error:#}"))
            }
        }
    }

    /// Something other than a single test is skipped; it counts as one.
    pub fn skip(&mut self, why: &str) {
        println!("step skipped: {why}");
        self.counts.skipped += 1;
        self.reasons.push(why.to_owned());
    }

    /// Adds what a runner counted, or notes that there is no count.
    pub fn count(&mut self, tally: Result<Tally>) {
        match tally {
            Ok(tally) => {
                self.counts += tally.counts;
                self.reasons.extend(tally.reasons);
            }
            Err(error) => self.uncounted.push(format!("{error:#}")),
        }
    }
}

impl Outcome {
    /// For people.
    pub fn word(&self) -> String {
        match self {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Skipped => "skipped".to_owned(),
            Outcome::Failed(why) => format!("FAILED: {}", why.lines().next().unwrap_or_default()),
            Outcome::Blocked(need) => format!("NOT RUN: needs the step `{need}`, which did not pass"),
        }
    }

    /// True if the whole test cannot be green with it.
    pub fn is_bad(&self) -> bool {
        matches!(self, Outcome::Failed(_) | Outcome::Blocked(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_failure_stops_only_the_steps_that_need_it() {
        let mut session = Session::default();
        session.take(&[
            Step { name: "a", needs: &[], run: |_| bail!("broken") },
            Step { name: "b", needs: &["a"], run: |_| Ok(Ended::Done) },
            Step { name: "c", needs: &[], run: |_| Ok(Ended::Done) },
            Step { name: "d", needs: &["b"], run: |_| Ok(Ended::Done) },
        ]);
        let outcomes: Vec<_> = session.records.iter().map(|r| &r.outcome).collect();
        let failed = Outcome::Failed("broken".to_owned());
        assert_eq!(outcomes, [&failed, &Outcome::Blocked("a"), &Outcome::Passed, &Outcome::Blocked("b")]);
    }

    #[test]
    fn a_skipped_step_is_counted_with_its_reason_and_is_not_bad() {
        let mut session = Session::default();
        session.take(&[Step { name: "a", needs: &[], run: |_| Ok(Ended::Skipped("no browser".to_owned())) }]);
        assert_eq!((session.counts.skipped, session.reasons.as_slice()), (1, ["no browser".to_owned()].as_slice()));
        assert!(!session.records[0].outcome.is_bad());
    }
}
