//! All that the server knows about its hosts at one moment, put together once per request.

use super::Server;
use crate::guards::{self, Figures};
use palisade_core::{FindingState, HostId, PracticeState, State, Timestamp, VerdictWord};
use palisade_guard::GuardError;
use palisade_guard::link::SILENT_AFTER_S;
use palisade_guard::store::{self, FindingRow, Freshness, HostRow};
use sqlx::SqliteConnection;

/// A finding stays in lists this long after it was mended.
const MENDED_SHOWN_S: i64 = 24 * 3600;

/// One host with everything that judges it.
pub struct HostSnapshot {
    /// What it says about itself.
    pub row: HostRow,
    /// What its guards last said.
    pub freshness: Vec<Freshness>,
    /// Its findings.
    pub findings: Vec<FindingRow>,
    /// How it stands against each practice.
    pub practices: Vec<PracticeState>,
    /// The few figures of lists.
    pub figures: Figures,
    /// How it was last heard of, as of now.
    pub verdict: VerdictWord,
}

impl HostSnapshot {
    /// The worst state of the practices that are served; unknown while the host is silent.
    pub fn state(&self) -> State {
        if self.verdict != VerdictWord::Online {
            return State::Unknown;
        }
        let served = self.practices.iter().filter(|p| p.state != State::Unprotected);
        served.map(|p| p.state).fold(State::Good, State::worst)
    }

    /// Findings that are open now.
    pub fn open(&self) -> impl Iterator<Item = &FindingRow> {
        self.findings.iter().filter(|f| f.finding.state == FindingState::Open)
    }

    /// The oldest observation among its guards, and the earliest end of freshness.
    pub fn observed(&self) -> (Timestamp, Timestamp) {
        let seen = self.row.seen_at;
        let oldest = self.freshness.iter().map(|f| f.observed_at).min().unwrap_or(seen);
        let fresh = self.freshness.iter().map(|f| f.fresh_until).min().unwrap_or(seen);
        (oldest, fresh)
    }
}

/// All hosts, or the one named.
pub async fn snapshot(server: &Server, only: Option<&HostId>) -> Result<Vec<HostSnapshot>, GuardError> {
    let mut db = server.context.db.read().acquire().await?;
    let mut hosts = Vec::new();
    for row in store::hosts(&mut db).await? {
        if only.is_none_or(|id| *id == row.id) {
            hosts.push(one(server, &mut db, row).await?);
        }
    }
    Ok(hosts)
}

async fn one(server: &Server, db: &mut SqliteConnection, row: HostRow) -> Result<HostSnapshot, GuardError> {
    let now = server.context.now();
    let since = now - jiff::SignedDuration::from_secs(MENDED_SHOWN_S);
    let freshness = store::freshness(db, &row.id).await?;
    let findings = store::findings(db, Some(&row.id), since).await?;
    let runs: Vec<_> = freshness.iter().flat_map(|f| f.runs.iter().cloned()).collect();
    let plain: Vec<_> = findings.iter().map(|f| f.finding.clone()).collect();
    let practices = guards::practices(&server.guards, &runs, &plain);
    let figures = guards::figures(db, &row.id).await?;
    let verdict = match now.duration_since(row.seen_at).as_secs() {
        age if age > SILENT_AFTER_S => VerdictWord::Unreachable,
        _ => VerdictWord::Online,
    };
    Ok(HostSnapshot { row, freshness, findings, practices, figures, verdict })
}
