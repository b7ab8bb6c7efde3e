//! What the server knows about its hosts at one moment: one query per table, however many hosts.

use super::Server;
use crate::guards;
use palisade_core::{
    HostId, HostKind, PRACTICES, PracticeState, PracticeTally, Standing, State, Timestamp, VerdictWord, judge_tally,
};
use palisade_guard::GuardError;
use palisade_guard::store::{self, Freshness, GuardTally, HostRow, OpenCheck};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;

/// One host with everything that judges it.
pub struct HostSnapshot {
    /// What it says about itself, and where it stands.
    pub row: HostRow,
    /// What its guards last said.
    pub freshness: Vec<Freshness>,
    /// What ran and what was found, by practice in the order of [`PRACTICES`].
    tallies: Vec<PracticeTally>,
    served: Arc<Vec<bool>>,
}

impl HostSnapshot {
    fn new(row: HostRow, mut freshness: Vec<Freshness>, served: Arc<Vec<bool>>) -> HostSnapshot {
        if row.standing == Standing::Revoked {
            // whoever held its certificate may have written what was last said
            freshness.iter_mut().for_each(|f| f.tally = GuardTally::default());
        }
        let mut tallies = vec![PracticeTally::default(); PRACTICES.len()];
        for (practice, tally) in freshness.iter().flat_map(|f| &f.tally.practices) {
            if let Some(at) = PRACTICES.iter().position(|p| p.id == practice) {
                tallies[at].add(tally);
            }
        }
        HostSnapshot { row, freshness, tallies, served }
    }

    /// How it was last heard of.
    pub fn verdict(&self) -> VerdictWord {
        verdict(&self.row)
    }

    /// The worst state of the practices that are served; unknown while the host is silent.
    pub fn state(&self) -> State {
        if self.verdict() != VerdictWord::Online {
            return State::Unknown;
        }
        self.practice_states().filter(|state| *state != State::Unprotected).fold(State::Good, State::worst)
    }

    /// How it stands against each practice, in the order of [`PRACTICES`].
    pub fn practice_states(&self) -> impl Iterator<Item = State> {
        self.tallies.iter().zip(self.served.iter()).map(|(tally, served)| tally.state(*served))
    }

    /// One practice with the reason; `at` is its place in [`PRACTICES`].
    pub fn practice(&self, at: usize) -> PracticeState {
        judge_tally(&PRACTICES[at], self.served[at], &self.tallies[at])
    }

    /// All practices with their reasons.
    pub fn practices(&self) -> Vec<PracticeState> {
        (0..PRACTICES.len()).map(|at| self.practice(at)).collect()
    }

    /// Its checks that have open findings.
    pub fn open_checks(&self) -> impl Iterator<Item = &OpenCheck> {
        self.freshness.iter().flat_map(|f| &f.tally.checks)
    }

    /// How many findings are open.
    pub fn findings_open(&self) -> usize {
        self.open_checks().map(|check| check.open).sum()
    }

    /// The check with its worst finding.
    pub fn worst(&self) -> Option<&OpenCheck> {
        self.open_checks().max_by_key(|check| check.severity)
    }

    /// Open findings by severity, in the order of [`palisade_core::Severity::ALL`].
    pub fn open_by_severity(&self) -> [u32; 5] {
        let mut sum = PracticeTally::default();
        self.tallies.iter().for_each(|tally| sum.add(tally));
        sum.open
    }

    /// The oldest observation among its guards, and the earliest end of freshness.
    pub fn observed(&self) -> (Timestamp, Timestamp) {
        let seen = self.row.seen_at;
        let oldest = self.freshness.iter().map(|f| f.observed_at).min().unwrap_or(seen);
        let fresh = self.freshness.iter().map(|f| f.fresh_until).min().unwrap_or(seen);
        (oldest, fresh)
    }
}

/// How a host was last heard of; what it is comes before what was heard.
pub fn verdict(row: &HostRow) -> VerdictWord {
    match (row.standing, row.kind) {
        (Standing::Revoked, _) => VerdictWord::Revoked,
        (_, HostKind::Agentless) => VerdictWord::Agentless,
        _ => row.verdict,
    }
}

/// A host that is new gets the specs that hold for the whole fleet: without a generation of its own
/// it would be sent none until the next change.
pub async fn welcome(server: &Server, db: &mut SqliteConnection, host: &HostId) -> Result<(), GuardError> {
    for guard in server.guards.iter().filter(|guard| guard.keeper.is_some()) {
        store::generations_raise(db, std::slice::from_ref(host), guard.word).await?;
    }
    Ok(())
}

/// All hosts but the retired ones: the revoked are still there, and count as unknown.
pub async fn snapshot(server: &Server) -> Result<Vec<HostSnapshot>, GuardError> {
    let mut db = server.context.db.read().acquire().await?;
    let rows = store::hosts(&mut db).await?.into_iter().filter(|row| row.standing != Standing::Retired).collect();
    let said = store::fleet_freshness(&mut db, None).await?;
    Ok(joined(server, rows, said))
}

/// These hosts.
pub async fn of(
    server: &Server,
    db: &mut SqliteConnection,
    rows: Vec<HostRow>,
) -> Result<Vec<HostSnapshot>, GuardError> {
    let names: Vec<HostId> = rows.iter().map(|row| row.id.clone()).collect();
    let said = store::fleet_freshness(db, Some(&names)).await?;
    Ok(joined(server, rows, said))
}

fn joined(server: &Server, rows: Vec<HostRow>, mut said: HashMap<HostId, Vec<Freshness>>) -> Vec<HostSnapshot> {
    let served = Arc::new(guards::served(&server.guards));
    let join = |row: HostRow| {
        let freshness = said.remove(&row.id).unwrap_or_default();
        HostSnapshot::new(row, freshness, Arc::clone(&served))
    };
    rows.into_iter().map(join).collect()
}
