//! The database of a server: SQLite in one file, one writer, several readers.
//!
//! A commit is on disk when it returns (`synchronous=FULL`), so what was acknowledged survives a
//! kill at any point.

use crate::GuardError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::path::Path;
use std::time::Duration;

/// Connections for reading.
const READERS_MAX: u32 = 4;
/// How long a write waits for the one before it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements that each connection keeps prepared, a few kilobytes each; statements of many rows
/// come in several sizes.
const STATEMENTS_MAX: usize = 256;

/// A server's database.
#[derive(Debug, Clone)]
pub struct Database {
    read: SqlitePool,
    write: SqlitePool,
}

/// A write in progress; nothing is stored unless it is committed.
pub type Write = Transaction<'static, Sqlite>;

impl Database {
    /// Opens the file, making it if it is missing.
    pub async fn open(path: &Path) -> Result<Database, GuardError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS_MAX);
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let read = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options.read_only(true)).await?;
        Ok(Database { read, write })
    }

    /// For queries.
    pub fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// Begins a write; waits for the one before it.
    pub async fn begin(&self) -> Result<Write, GuardError> {
        match self.write.begin_with("BEGIN IMMEDIATE").await {
            Ok(write) => Ok(write),
            Err(_) => {
                // after a failed commit (disk full) a connection may believe that its transaction
                // lives on: it is closed, and a new one tried once
                self.write.acquire().await?.close().await?;
                Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
            }
        }
    }

    /// Runs the scripts of `owner` that have not run yet, all or none.
    pub async fn migrate(&self, owner: &str, scripts: &[&'static str]) -> Result<(), GuardError> {
        let mut tx = self.begin().await?;
        sqlx::query("CREATE TABLE IF NOT EXISTS frame_migration (owner TEXT PRIMARY KEY, done INTEGER NOT NULL)")
            .execute(&mut *tx)
            .await?;
        let done: Option<(i64,)> = sqlx::query_as("SELECT done FROM frame_migration WHERE owner = $1")
            .bind(owner)
            .fetch_optional(&mut *tx)
            .await?;
        let done = done.map_or(0, |(n,)| n) as usize;
        if done > scripts.len() {
            return Err(GuardError::Refused(format!(
                "the database was written by a newer Palisade: the {owner} tables are at version {done}, this binary knows {}",
                scripts.len()
            )));
        }
        for script in &scripts[done..] {
            sqlx::raw_sql(*script).execute(&mut *tx).await?;
        }
        sqlx::query("INSERT INTO frame_migration (owner, done) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET done = excluded.done")
            .bind(owner)
            .bind(scripts.len() as i64)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}
