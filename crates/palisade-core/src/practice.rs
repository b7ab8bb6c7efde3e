//! What the mission asks for, one row per practice, and how a host stands against it.

use crate::{CheckOutcome, CheckRun, Finding, FindingState, Severity, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that the mission asks for. Its id is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Practice {
    /// Fixed id.
    pub id: &'static str,
    /// The guard that serves it.
    pub guard: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What the mission says about it.
    pub mission: &'static str,
    /// Its share of the score.
    pub weight: u32,
}

/// Every practice, in the order of the guards. The weights are here and nowhere else.
pub const PRACTICES: &[Practice] = &[
    row(
        "security-groups",
        "firewall",
        "Security groups",
        10,
        "Set security group rules: control the access to and from an instance over the network.",
    ),
    row(
        "port-security",
        "firewall",
        "Port security",
        8,
        "Open only required ports as needed, use only custom ports (30000 or higher), and control access to service ports.",
    ),
    row(
        "high-risk-ports",
        "firewall",
        "High-risk ports",
        8,
        "Improve port security: incorrect port opening may cause internal security issues.",
    ),
    row(
        "database-ports",
        "firewall",
        "Database ports",
        8,
        "Restrict database services to an intranet; if one must be reached from the Internet, use a higher port and authorize addresses.",
    ),
    row(
        "security-domains",
        "mesh",
        "Security domains",
        6,
        "Build private networks that separate servers of different security levels.",
    ),
    row("logon-encrypted", "mesh", "Encrypted logon", 4, "Use VPN products to encrypt the logon data."),
    row(
        "logon-passwords",
        "access",
        "Strong logon passwords",
        10,
        "At least eight characters with upper case, lower case, numbers and special characters, changed at least once every six months.",
    ),
    row(
        "backup-regular",
        "backup",
        "Regular backups",
        10,
        "Create snapshots regularly, such as daily, and keep them for at least seven days.",
    ),
    row("backup-vault", "backup", "Backup vaults", 5, "Associate the server with a vault and a backup policy."),
    row(
        "backup-consistent",
        "backup",
        "Consistent server backup",
        5,
        "Back up all disks of a server together, so that no time difference makes the data inconsistent.",
    ),
    row(
        "restore-proven",
        "backup",
        "Proven restore",
        8,
        "Restore data to any point in the past when it was backed up.",
    ),
    row(
        "web-firewall",
        "waf",
        "Web application firewall",
        8,
        "Install a web application firewall against SQL injection, XSS, illegal requests and unauthorized access to core files.",
    ),
    row("account-cracking", "intrusion", "Account cracking prevention", 8, "Enable account cracking prevention."),
    row(
        "intrusions",
        "intrusion",
        "Intrusion detection",
        8,
        "Defend against intrusions, and easily detect and handle threats.",
    ),
    row("web-tampering", "integrity", "Web tamper protection", 5, "Defend against web page tampering."),
    row("malware", "integrity", "Malware", 6, "Protect servers from Trojan horses and other viruses."),
    row("assets", "inventory", "Assets", 5, "Identify and manage the assets on your servers."),
    row("baseline", "inventory", "Baseline", 6, "Check the security status and eliminate the risks of a server."),
    row("os-upgrade", "upgrade", "Operating system upgrades", 10, "Periodically upgrade the operating system."),
    row(
        "vulnerabilities",
        "upgrade",
        "Vulnerabilities",
        8,
        "Protect application vulnerabilities: defects that hackers may exploit to illegally access data.",
    ),
    row(
        "monitoring",
        "monitor",
        "Monitoring",
        8,
        "Monitor the running status of servers: basic, operating system and process monitoring.",
    ),
    row(
        "alarms",
        "monitor",
        "Alarms",
        6,
        "Set alarm rules to customize the monitored objects and notification policies.",
    ),
    row("security-information", "journal", "Security information", 6, "Collect security information."),
];

const fn row(
    id: &'static str,
    guard: &'static str,
    title: &'static str,
    weight: u32,
    mission: &'static str,
) -> Practice {
    Practice { id, guard, title, mission, weight }
}

/// The practice with this id.
pub fn practice(id: &str) -> Option<&'static Practice> {
    PRACTICES.iter().find(|p| p.id == id)
}

/// How one practice stands on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PracticeState {
    /// The practice.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// The guard that serves it.
    pub guard: String,
    /// How it stands.
    pub state: State,
    /// Its part of the score: 100 good, 50 attention, 0 otherwise.
    pub score: u32,
    /// What the mission says.
    pub mission: String,
    /// Why it stands so, in a sentence.
    pub reason: String,
}

/// What is known about a practice when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Judgement<'a> {
    /// True when a guard that is built and switched on serves the practice.
    pub served: bool,
    /// The checks that ran on the host; those of other practices are passed over.
    pub runs: &'a [CheckRun],
    /// The findings of the host; those of other practices are passed over.
    pub findings: &'a [Finding],
}

/// How many checks of one practice ran on a host, and how many of its findings are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PracticeTally {
    /// Checks that were asked for.
    pub runs: u32,
    /// Those of them that could not run.
    pub unknown: u32,
    /// Open findings, in the order of [`Severity::ALL`].
    pub open: [u32; 5],
}

impl PracticeTally {
    /// Counts one check.
    pub fn ran(&mut self, outcome: CheckOutcome) {
        self.runs += 1;
        self.unknown += u32::from(outcome == CheckOutcome::Unknown);
    }

    /// Counts one finding; those that are not open are passed over.
    pub fn found(&mut self, finding: &Finding) {
        if finding.state == FindingState::Open {
            let at = Severity::ALL.iter().position(|s| *s == finding.severity).unwrap_or_default();
            self.open[at] += 1;
        }
    }

    /// Adds the counts of another one.
    pub fn add(&mut self, other: &PracticeTally) {
        self.runs += other.runs;
        self.unknown += other.unknown;
        self.open.iter_mut().zip(other.open).for_each(|(sum, more)| *sum += more);
    }

    /// How the practice stands: not served is unprotected, nothing run is unknown, an open finding
    /// of high or critical is bad, of medium or low is attention; a check that could not run keeps
    /// it from being good.
    pub fn state(&self, served: bool) -> State {
        let [critical, high, medium, low, _] = self.open;
        match () {
            () if !served => State::Unprotected,
            () if critical + high > 0 => State::Bad,
            () if medium + low > 0 => State::Attention,
            () if self.unknown == self.runs => State::Unknown,
            () if self.unknown > 0 => State::Attention,
            () => State::Good,
        }
    }

    fn reason(&self, practice: &Practice, served: bool) -> String {
        let [critical, high, medium, low, _] = self.open;
        match self.runs {
            _ if !served => {
                format!("nothing protects this yet: the {} guard does not serve it in this version", practice.guard)
            }
            _ if critical + high + medium + low > 0 => {
                let pairs = Severity::ALL.into_iter().zip(self.open).filter(|(_, n)| *n > 0);
                let said: Vec<String> = pairs.map(|(severity, n)| format!("{n} {severity}")).collect();
                format!("open findings: {}", said.join(", "))
            }
            0 => "nothing was observed".to_owned(),
            runs if self.unknown == runs => "no check could run".to_owned(),
            runs if self.unknown > 0 => format!("{} of {runs} checks could not run", self.unknown),
            1 => "1 check passed".to_owned(),
            runs => format!("{runs} checks passed"),
        }
    }
}

/// How `practice` stands by what ran and what was found, see [`PracticeTally::state`].
pub fn judge(practice: &Practice, on: Judgement<'_>) -> PracticeState {
    let mut tally = PracticeTally::default();
    on.runs.iter().filter(|r| r.practice == practice.id).for_each(|r| tally.ran(r.outcome));
    on.findings.iter().filter(|f| f.practice == practice.id).for_each(|f| tally.found(f));
    judge_tally(practice, on.served, &tally)
}

/// How `practice` stands by these counts.
pub fn judge_tally(practice: &Practice, served: bool, tally: &PracticeTally) -> PracticeState {
    let state = tally.state(served);
    let score = match state {
        State::Good => 100,
        State::Attention => 50,
        State::Bad | State::Unprotected | State::Unknown => 0,
    };
    PracticeState {
        id: practice.id.to_owned(),
        title: practice.title.to_owned(),
        guard: practice.guard.to_owned(),
        state,
        score,
        mission: practice.mission.to_owned(),
        reason: tally.reason(practice, served),
    }
}

/// 100 × Σ weight of practices that are good (attention counts half) ÷ Σ weight of all; rounded down.
pub fn score(practices: &[PracticeState]) -> u32 {
    let weight = |p: &PracticeState| practice(&p.id).map_or(0, |row| row.weight);
    let all: u32 = practices.iter().map(weight).sum();
    let earned: u32 = practices.iter().map(|p| weight(p) * p.score).sum();
    earned.checked_div(all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_practice_of_the_design_is_there_once() {
        let ids: BTreeSet<_> = PRACTICES.iter().map(|p| p.id).collect();
        assert_eq!(ids.len(), PRACTICES.len());
        assert_eq!(ids.len(), 23);
    }

    #[test]
    fn a_practice_without_a_guard_is_unprotected_and_never_good() {
        let state = judge(&PRACTICES[0], Judgement { served: false, runs: &[], findings: &[] });
        assert_eq!((state.state, state.score), (State::Unprotected, 0));
    }

    #[test]
    fn a_practice_that_nobody_looked_at_is_unknown() {
        let state = judge(&PRACTICES[0], Judgement { served: true, runs: &[], findings: &[] });
        assert_eq!(state.state, State::Unknown);
    }

    #[test]
    fn the_score_counts_attention_half() {
        let all = |state: State, score| -> Vec<PracticeState> {
            PRACTICES
                .iter()
                .map(|p| {
                    let mut s = judge(p, Judgement { served: false, runs: &[], findings: &[] });
                    (s.state, s.score) = (state, score);
                    s
                })
                .collect()
        };
        assert_eq!(super::score(&all(State::Good, 100)), 100);
        assert_eq!(super::score(&all(State::Attention, 50)), 50);
        assert_eq!(super::score(&all(State::Bad, 0)), 0);
    }
}
