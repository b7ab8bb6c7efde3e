//! A server's database on disk.

use super::data::{Frames, START_S, host};
use super::{DAY_S, DAYS, Failure};
use palisade_core::{HostId, Timestamp};
use palisade_guard::db::Database;
use palisade_guard::store::HostRow;
use palisade_monitor::alarm::backtest::{Answer, Ask, backtest};
use palisade_monitor::alarm::rule::RuleSpec;
use palisade_monitor::store::{self, Column, Store, Tier, WINDOW_S};
use std::time::{Duration, Instant};

/// Frames in a transaction, as many as hosts that report together.
const TOGETHER: usize = 20;
const BACKTESTS: usize = 3;

pub struct Disk {
    db: Database,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Disk {
    pub async fn new() -> Result<Disk, Failure> {
        let dir = tempfile::tempdir()?;
        let db = Database::open(&dir.path().join("palisade.db")).await?;
        db.migrate("monitor", store::MIGRATIONS).await?;
        Ok(Disk { db, store: Store::default(), _dir: dir })
    }

    /// Puts each frame for itself, for so many hosts.
    pub async fn put(&self, frames: &Frames, hosts: usize) -> Result<(), Failure> {
        for host in (0..hosts).map(host) {
            for some in frames.list.chunks(TOGETHER) {
                let mut tx = self.db.begin().await?;
                for frame in some {
                    self.store.put(&mut tx, &host, std::slice::from_ref(frame)).await?;
                }
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Seals all as time goes by; what the slowest transaction took.
    pub async fn seal(&self, frames: &Frames) -> Result<Duration, Failure> {
        let mut slowest = Duration::ZERO;
        let end_s = START_S + frames.list.len() as i64 * 60;
        let mut now_s = START_S;
        while now_s < end_s + DAY_S {
            now_s += WINDOW_S;
            let now = Timestamp::from_second(now_s + WINDOW_S / 2)?;
            loop {
                let mut tx = self.db.begin().await?;
                let due = store::seal::due(&mut tx, now, 1).await?;
                let Some(due) = due.first() else { break };
                let begun = Instant::now();
                due.seal(&self.store, &mut tx, now).await?;
                tx.commit().await?;
                slowest = slowest.max(begun.elapsed());
            }
        }
        Ok(slowest)
    }

    /// Pages of a table and its indexes, in bytes.
    pub async fn bytes(&self, table: &str) -> Result<f64, Failure> {
        let (bytes,): (i64,) = sqlx::query_as(
            "SELECT SUM(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name WHERE s.tbl_name = $1",
        )
        .bind(table)
        .fetch_one(self.db.read())
        .await?;
        Ok(bytes as f64)
    }

    /// What raw chunks are of all.
    pub async fn share_of_raw(&self) -> Result<f64, Failure> {
        let (share,): (f64,) = sqlx::query_as(
            "SELECT SUM(CASE WHEN tier = 1 THEN length(body) ELSE 0 END) * 1.0 / SUM(length(body)) FROM monitor_chunk",
        )
        .fetch_one(self.db.read())
        .await?;
        Ok(share)
    }

    /// As many hosts as the first one, as far as the charts read.
    pub async fn copy(&self, hosts: usize) -> Result<(), Failure> {
        let first = host(0);
        let mut tx = self.db.begin().await?;
        for host in (1..hosts).map(host) {
            for statement in [
                "INSERT INTO monitor_series SELECT $2, id, key FROM monitor_series WHERE host = $1",
                "INSERT INTO monitor_latest SELECT $2, at, body, step_s, stamp, rejected, rejected_last, unstored
                 FROM monitor_latest WHERE host = $1",
                "INSERT INTO monitor_chunk SELECT $2, tier, block, start, points, summed, body FROM monitor_chunk
                 WHERE host = $1 AND block IN (SELECT id / 16 FROM monitor_series
                 WHERE host = $1 AND key = 'cpu_usage_ratio')",
            ] {
                sqlx::query(statement).bind(first.as_str()).bind(host.as_str()).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    pub async fn columns(
        &self,
        hosts: &[HostId],
        name: &str,
        tier: Tier,
        range: (i64, i64),
    ) -> Result<Vec<Column>, Failure> {
        let mut db = self.db.read().acquire().await?;
        Ok(self.store.columns(&mut db, hosts, name, tier, range).await?)
    }

    /// Tries a rule on the 30 days before `now_s`; the best of several: time on the clock, CPU seconds.
    pub async fn backtest(
        &self,
        hosts: &[HostId],
        spec: RuleSpec,
        now_s: i64,
    ) -> Result<(Duration, f64, Answer), Failure> {
        let rows: Vec<HostRow> = hosts.iter().map(|id| HostRow::new(id.clone(), Timestamp::UNIX_EPOCH)).collect();
        let ask = Ask { spec, from_s: now_s - DAYS * DAY_S, to_s: now_s, now_s, retention: Default::default() };
        let mut db = self.db.read().acquire().await?;
        let mut best: Option<(Duration, f64, Answer)> = None;
        for _ in 0..BACKTESTS {
            let (begun, before) = (Instant::now(), super::cpu_s());
            let answer = backtest(&mut db, &self.store, &rows, &ask).await?;
            let this = (begun.elapsed(), super::cpu_s() - before, answer);
            if best.as_ref().is_none_or(|(took, ..)| this.0 < *took) {
                best = Some(this);
            }
        }
        Ok(best.expect("it was tried more than never"))
    }
}
