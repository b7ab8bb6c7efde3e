//! A database in a test, and what goes into it.

use palisade_core::{
    CheckOutcome, CheckRun, Finding, FindingState, Fix, Generation, HostId, Plan, PlanState, Report, Severity,
    Timestamp, VerdictWord, finding_id,
};
use palisade_guard::db::{Database, Write};
use palisade_guard::store::{self, LookReport};
use sqlx::SqliteConnection;

pub struct Base {
    pub db: Database,
    _dir: tempfile::TempDir,
}

impl Base {
    /// An empty database with the frame's tables.
    pub async fn new() -> Base {
        let base = Base::without_tables().await;
        base.db.migrate("frame", store::MIGRATIONS).await.unwrap();
        base
    }

    pub async fn without_tables() -> Base {
        let dir = tempfile::tempdir().unwrap();
        Base { db: Database::open(&dir.path().join("db")).await.unwrap(), _dir: dir }
    }

    pub async fn begin(&self) -> Write {
        self.db.begin().await.unwrap()
    }
}

/// Second 0 is 2026-11-22T12:00:00Z.
pub fn at(second: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    noon + jiff::SignedDuration::from_secs(second)
}

pub fn host(name: &str) -> HostId {
    name.parse().unwrap()
}

/// A host that was last heard of so.
pub async fn host_put(db: &mut SqliteConnection, name: &str, verdict: VerdictWord) {
    store::host_seen(db, &host(name), None, at(0)).await.unwrap();
    store::verdict_put(db, &host(name), verdict, None, at(0), at(0)).await.unwrap();
}

/// A new plan over these hosts, each with a generation raised once more than the one before it.
pub async fn plan_put(db: &mut SqliteConnection, hosts: &[&str], deadline: Option<Timestamp>) -> Plan {
    let hosts: Vec<HostId> = hosts.iter().map(|name| host(name)).collect();
    let mut plan = plan(store::plan_id(db).await.unwrap(), hosts);
    plan.deadline = deadline;
    let generations = store::generations_raise(db, &plan.hosts, "firewall").await.unwrap();
    store::plan_insert(db, &plan, &generations).await.unwrap();
    plan
}

pub fn plan(id: String, hosts: Vec<HostId>) -> Plan {
    Plan {
        id,
        guard: "firewall".to_owned(),
        title: "shut out 203.0.113.9".to_owned(),
        state: PlanState::Applying,
        effects: Vec::new(),
        steps: Vec::new(),
        hosts,
        by: "ada".to_owned(),
        created_at: at(0),
        observed_at: None,
        deadline: None,
        probation_s: None,
        generation: Generation { epoch: 1, n: 1 },
        reports: Vec::new(),
        reason: None,
    }
}

/// What a host reports about generation 1.`n`; an error is a failure.
pub fn report(name: &str, n: u64, error: Option<&str>) -> Report {
    Report {
        host: host(name),
        guard: "firewall".to_owned(),
        generation: Generation { epoch: 1, n },
        at: at(5),
        verified: error.is_none(),
        drift: false,
        error: error.map(str::to_owned),
        steps: Vec::new(),
        decisions: Default::default(),
    }
}

pub fn finding(name: &str, check: &str, severity: Severity) -> Finding {
    Finding {
        id: finding_id(check, &host(name), "tcp/4444"),
        check: check.to_owned(),
        practice: "port-security".to_owned(),
        title: "A port is open".to_owned(),
        host: host(name),
        object: "tcp/4444".to_owned(),
        severity,
        state: FindingState::Open,
        evidence: "nc -l -p 4444".to_owned(),
        observed_at: at(0),
        why: String::new(),
        fix: Fix::text(""),
        reference: None,
    }
}

/// A look of the firewall at `second`.
pub fn look(second: i64, findings: Vec<Finding>) -> LookReport {
    let run = |finding: &Finding| CheckRun {
        check: finding.check.clone(),
        practice: finding.practice.clone(),
        outcome: CheckOutcome::Failed,
    };
    LookReport {
        guard: "firewall".to_owned(),
        observed_at: at(second),
        fresh_until: at(second + 60),
        sections: serde_json::Map::new(),
        runs: findings.iter().map(run).collect(),
        findings,
        error: None,
    }
}
