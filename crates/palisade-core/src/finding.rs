//! What a check says about a host.

use crate::{HostId, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A rule by which a guard judges what it observed. Declared once as a `const` in the guard's
/// `check.rs`; its id never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// `guard.rule`, lower case with hyphens: `access.empty-password`.
    pub id: &'static str,
    /// The practice that it serves.
    pub practice: &'static str,
    /// The severity of its findings, unless one says otherwise.
    pub severity: Severity,
    /// What is wrong when it fails, in a few words.
    pub title: &'static str,
    /// Why that matters, in at most two sentences.
    pub why: &'static str,
    /// Where the rule comes from: the mission, CIS, a manual page.
    pub reference: Option<&'static str>,
}

/// How a finding is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fix {
    /// What to do, in a sentence.
    pub text: String,
    /// A command to paste on the host, if one exists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<String>,
    /// The kind of plan that mends it, for guards that can act.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<String>,
}

impl Fix {
    /// A mend in words only.
    pub fn text(text: impl Into<String>) -> Fix {
        Fix { text: text.into(), command: None, plan: None }
    }

    /// A mend with the command that does it.
    pub fn command(text: impl Into<String>, command: impl Into<String>) -> Fix {
        Fix { text: text.into(), command: Some(command.into()), plan: None }
    }
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// Seen at the last observation.
    Open,
    /// A plan that mends it is under way.
    Planned,
    /// No longer seen.
    Mended,
    /// Accepted with a reason until a date.
    Accepted,
    /// The check could not run; `evidence` says why.
    Unknown,
}

/// One thing that is wrong on one host, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Stable over time: made of check, host and object.
    pub id: String,
    /// The check that failed.
    pub check: String,
    /// The practice that it weakens.
    pub practice: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// The host it was seen on.
    pub host: HostId,
    /// What on the host: an account, `tcp/4444`, a file.
    pub object: String,
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands.
    pub state: FindingState,
    /// What was observed, as captured; hostile text is possible.
    pub evidence: String,
    /// When it was observed.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    /// Why it matters.
    pub why: String,
    /// How it is mended.
    pub fix: Fix,
    /// Where the rule comes from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reference: Option<String>,
}

/// How one check ended on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// Ran and found nothing.
    Passed,
    /// Ran and found something.
    Failed,
    /// Could not run.
    Unknown,
}

/// One check that was asked for, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckRun {
    /// The check's id.
    pub check: String,
    /// The practice it serves.
    pub practice: String,
    /// How it ended.
    pub outcome: CheckOutcome,
}

/// The id of the finding of `check` on `host` about `object`: 16 hexadecimal digits, the same for
/// the same three on every run.
pub fn finding_id(check: &str, host: &HostId, object: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [check, host.as_str(), object] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The longest evidence and object that a finding carries, in bytes; hostile input is cut here.
pub const EVIDENCE_BYTES_MAX: usize = 2_048;
const OBJECT_BYTES_MAX: usize = 256;

/// Collects what the checks of one guard say about one host at one moment.
#[derive(Debug)]
pub struct Verdicts {
    host: HostId,
    now: Timestamp,
    /// The findings so far.
    pub findings: Vec<Finding>,
    /// The checks that ran so far, each once.
    pub runs: Vec<CheckRun>,
}

impl Verdicts {
    /// An empty collection for `host` at `now` (the moment of the observation).
    pub fn new(host: HostId, now: Timestamp) -> Verdicts {
        Verdicts { host, now, findings: Vec::new(), runs: Vec::new() }
    }

    /// The moment at which the observation is judged.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// `check` ran and found nothing wrong. A failure recorded before or after wins.
    pub fn pass(&mut self, check: &Check) {
        self.ran(check, CheckOutcome::Passed);
    }

    /// `check` found `object` wrong, at the check's own severity.
    pub fn fail(&mut self, check: &Check, object: impl Into<String>, evidence: impl Into<String>, fix: Fix) {
        self.fail_as(check, check.severity, object, evidence, fix);
    }

    /// As [`Verdicts::fail`], with a severity of its own.
    pub fn fail_as(
        &mut self,
        check: &Check,
        severity: Severity,
        object: impl Into<String>,
        evidence: impl Into<String>,
        fix: Fix,
    ) {
        self.ran(check, CheckOutcome::Failed);
        self.push(check, severity, FindingState::Open, object.into(), evidence.into(), fix);
    }

    /// `check` could not run, and why (a missing permission, an unreadable file).
    pub fn unknown(&mut self, check: &Check, why: impl Into<String>) {
        self.ran(check, CheckOutcome::Unknown);
        let fix = Fix::text("Run Palisade with the rights that this check needs, then look again.");
        self.push(check, Severity::Informational, FindingState::Unknown, "check".to_owned(), why.into(), fix);
    }

    /// Pass if `list` is empty, else one finding per entry.
    pub fn fail_each<T>(
        &mut self,
        check: &Check,
        list: impl IntoIterator<Item = T>,
        say: impl Fn(T) -> (String, String, Fix),
    ) {
        self.pass(check);
        for entry in list {
            let (object, evidence, fix) = say(entry);
            self.fail(check, object, evidence, fix);
        }
    }

    fn ran(&mut self, check: &Check, outcome: CheckOutcome) {
        match self.runs.iter_mut().find(|run| run.check == check.id) {
            Some(run) if outcome == CheckOutcome::Failed => run.outcome = outcome,
            Some(run) if run.outcome == CheckOutcome::Passed => run.outcome = outcome,
            Some(_) => {}
            None => {
                self.runs.push(CheckRun { check: check.id.to_owned(), practice: check.practice.to_owned(), outcome })
            }
        }
    }

    fn push(
        &mut self,
        check: &Check,
        severity: Severity,
        state: FindingState,
        object: String,
        evidence: String,
        fix: Fix,
    ) {
        let object = cut(object, OBJECT_BYTES_MAX);
        let id = finding_id(check.id, &self.host, &object);
        if self.findings.iter().any(|f| f.id == id) {
            return; // two rows about one object (an account named twice): the first one stands
        }
        self.findings.push(Finding {
            id,
            check: check.id.to_owned(),
            practice: check.practice.to_owned(),
            title: check.title.to_owned(),
            host: self.host.clone(),
            object,
            severity,
            state,
            evidence: cut(evidence, EVIDENCE_BYTES_MAX),
            observed_at: self.now,
            why: check.why.to_owned(),
            fix,
            reference: check.reference.map(str::to_owned),
        });
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
