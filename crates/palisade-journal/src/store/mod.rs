//! The table of events and its words.
//!
//! The id of an event is its time in milliseconds × 2,048 plus a number that makes it unique. So
//! the order of ids is the order of time in the table and in the index of words alike, whenever
//! an event arrives: a list by words reads the newest matches only, and never all of a common word.
//! Ids stay below 2^53 until the year 2109, so that JavaScript reads them exactly.

mod ingest;

pub use ingest::ingest;

use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, SqliteConnection};

/// The migrations: events (common SQL), then their words (SQLite only).
pub const MIGRATIONS: &[&str] =
    &[include_str!("../../migrations/1_event.sql"), include_str!("../../migrations/2_text_sqlite.sql")];
/// How long events are kept: China's Cybersecurity Law asks for six months of network logs, and
/// cloud vendors keep security logs as long.
pub const RETENTION_DAYS: i64 = 180;
/// Most events removed by one call of `tend`, so that a write never waits long.
pub const EXPIRED_MAX: i64 = 5_000;
/// Most events that are counted for the total of a list.
pub const COUNTED_MAX: i64 = 10_000;

const KIND_BYTES_MAX: usize = 128;
const NAME_BYTES_MAX: usize = 512;
const MESSAGE_BYTES_MAX: usize = 4 << 10;
const DATA_BYTES_MAX: usize = 64 << 10;
const WORDS_MAX: usize = 16;
const WORD_CHARS_MAX: usize = 64;
const DAY_MS: i64 = 86_400_000;
/// How many events of one millisecond have ids of their own; more borrow from the next one.
const IDS_PER_MS: i64 = 2_048;
const COLUMNS: &str =
    "e.id, e.time, e.kind, e.host, e.severity, e.outcome, e.actor, e.from_, e.object, e.message, e.audit, e.data";

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of one host.
    pub host: Option<HostId>,
    /// Of this kind and those below it: `firewall` has `firewall.ban.add`.
    pub kind: Option<String>,
    /// Of this actor: a user, `token NAME`, `local-root`.
    pub actor: Option<String>,
    /// Of one of these severities; of all if empty.
    pub severities: Vec<Severity>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
    /// Audit events only.
    pub audit: bool,
    /// With all of these words, or words that begin so, in message, object, actor or kind.
    pub words: Option<String>,
    /// Before the event with this id.
    pub before: Option<i64>,
}

/// An event with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Unique on this server; rises with the time of events.
    pub id: i64,
    /// The event.
    pub event: Event,
}

/// Stores an event in the given transaction. Texts longer than their limits are cut; data that is
/// longer is replaced by a note.
pub async fn event_put(db: &mut SqliteConnection, event: &Event) -> Result<(), GuardError> {
    let id = free_id(db, event.time).await?;
    rows_put(db, &[(id, event)]).await
}

/// Stores events under ids that are free, in two statements, and in the order in which they are
/// given; the index of words is fastest when ids rise.
async fn rows_put(db: &mut SqliteConnection, rows: &[(i64, &Event)]) -> Result<(), GuardError> {
    let mut events = QueryBuilder::<Sqlite>::new(
        "INSERT INTO journal_event (id, time, kind, host, severity, outcome, actor, from_, object, message, audit, data) ",
    );
    events.push_values(rows, |mut row, (id, event)| {
        row.push_bind(id)
            .push_bind(event.time.as_millisecond())
            .push_bind(cut(&event.kind, KIND_BYTES_MAX))
            .push_bind(event.host.as_ref().map(HostId::as_str))
            .push_bind(event.severity.as_str())
            .push_bind(outcome_word(event.outcome))
            .push_bind(cut(&event.actor.name, NAME_BYTES_MAX))
            .push_bind(event.actor.from.as_deref().map(|f| cut(f, NAME_BYTES_MAX)))
            .push_bind(event.object.as_deref().map(|o| cut(o, NAME_BYTES_MAX)))
            .push_bind(cut(&event.message, MESSAGE_BYTES_MAX))
            .push_bind(i64::from(event.audit))
            .push_bind(data_text(&event.data));
    });
    events.build().execute(&mut *db).await?;
    let mut words =
        QueryBuilder::<Sqlite>::new("INSERT INTO journal_event_text (rowid, message, object, actor, kind) ");
    words.push_values(rows, |mut row, (id, event)| {
        row.push_bind(id)
            .push_bind(cut(&event.message, MESSAGE_BYTES_MAX))
            .push_bind(event.object.as_deref().map(|o| cut(o, NAME_BYTES_MAX)))
            .push_bind(cut(&event.actor.name, NAME_BYTES_MAX))
            .push_bind(cut(&event.kind, KIND_BYTES_MAX));
    });
    words.build().execute(db).await?;
    Ok(())
}

/// A free id of this time, or after a burst of one soon after it: a burst of n events is spread
/// over some n ÷ 1,024 milliseconds, in a few look-ups however large it is. Events from before
/// 1970 have a clock that says nothing: they come first.
async fn free_id(db: &mut SqliteConnection, time: Timestamp) -> Result<i64, GuardError> {
    let (first, mut after) = ids(time);
    loop {
        let (last,): (Option<i64>,) = sqlx::query_as("SELECT MAX(id) FROM journal_event WHERE id >= $1 AND id < $2")
            .bind(first)
            .bind(after)
            .fetch_one(&mut *db)
            .await?;
        match last {
            None => return Ok(first),
            Some(last) if last + 1 < after => return Ok(last + 1),
            // doubling ends after 40 rounds at the latest: times end in the year 9999
            Some(_) => after += after - first,
        }
    }
}

/// The first id of a moment, and the first one after it.
fn ids(time: Timestamp) -> (i64, i64) {
    let first = time.as_millisecond().max(0) * IDS_PER_MS;
    (first, first + IDS_PER_MS)
}

/// The newest events that the filter lets through, newest first, at most `limit`.
pub async fn event_list(db: &mut SqliteConnection, filter: &Filter, limit: usize) -> Result<Vec<Stored>, GuardError> {
    let Some(mut query) = filtered(COLUMNS, filter, true) else { return Ok(Vec::new()) };
    query.push(" DESC LIMIT ").push_bind(limit as i64);
    let rows = query.build().fetch_all(db).await?;
    rows.iter().map(stored).collect()
}

/// How many events the filter lets through on all pages, at most [`COUNTED_MAX`].
pub async fn event_count(db: &mut SqliteConnection, filter: &Filter) -> Result<u64, GuardError> {
    let Some(mut query) = filtered("1", filter, false) else { return Ok(0) };
    query.push(" DESC LIMIT ").push_bind(COUNTED_MAX);
    let rows = query.build().fetch_all(db).await?;
    Ok(rows.len() as u64)
}

/// Removes the oldest events beyond [`RETENTION_DAYS`], at most [`EXPIRED_MAX`]. Returns how many.
pub async fn event_expire(db: &mut SqliteConnection, now: Timestamp) -> Result<u64, GuardError> {
    let oldest = ids(at(now.as_millisecond() - RETENTION_DAYS * DAY_MS)).0;
    let old = "(SELECT id FROM journal_event WHERE id < $1 ORDER BY id LIMIT $2)";
    let delete = |table: &str, column: &str| AssertSqlSafe(format!("DELETE FROM {table} WHERE {column} IN {old}"));
    sqlx::query(delete("journal_event_text", "rowid")).bind(oldest).bind(EXPIRED_MAX).execute(&mut *db).await?;
    let done = sqlx::query(delete("journal_event", "id")).bind(oldest).bind(EXPIRED_MAX).execute(db).await?;
    Ok(done.rows_affected())
}

/// The query up to the direction of its order; `None` when the words asked for hold nothing that
/// could be found. `paged` begins after the cursor.
fn filtered(columns: &'static str, filter: &Filter, paged: bool) -> Option<QueryBuilder<Sqlite>> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(columns);
    // the index of words gives its matches in the order of ids, so that it leads where there are words
    let id = match &filter.words {
        None => {
            query.push(" FROM journal_event e WHERE 1 = 1");
            "e.id"
        }
        Some(words) => {
            query.push(" FROM journal_event_text JOIN journal_event e ON e.id = journal_event_text.rowid WHERE journal_event_text MATCH ");
            query.push_bind(matching(words)?);
            "journal_event_text.rowid"
        }
    };
    let mut bound = |sign: &str, value: i64| _ = query.push(" AND ").push(id).push(sign).push_bind(value);
    filter.from.into_iter().for_each(|from| bound(" >= ", ids(from).0));
    filter.to.into_iter().for_each(|to| bound(" < ", ids(to).1));
    filter.before.into_iter().filter(|_| paged).for_each(|before| bound(" < ", before));
    columns_filtered(&mut query, filter);
    query.push(" ORDER BY ").push(id);
    Some(query)
}

fn columns_filtered(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    if let Some(host) = &filter.host {
        query.push(" AND e.host = ").push_bind(host.as_str().to_owned());
    }
    if let Some(kind) = &filter.kind {
        // all that begins with `kind.`: `/` is the character after `.`
        query.push(" AND (e.kind = ").push_bind(kind.clone());
        query
            .push(" OR (e.kind > ")
            .push_bind(format!("{kind}."))
            .push(" AND e.kind < ")
            .push_bind(format!("{kind}/"))
            .push("))");
    }
    if let Some(actor) = &filter.actor {
        query.push(" AND e.actor = ").push_bind(actor.clone());
    }
    if !filter.severities.is_empty() {
        let mut list = query.push(" AND e.severity IN (").separated(", ");
        filter.severities.iter().for_each(|s| _ = list.push_bind(s.as_str()));
        query.push(")");
    }
    if filter.audit {
        query.push(" AND e.audit = 1");
    }
}

/// Every word as a quoted phrase that may go on (`"203.0.113.9"*`): what a user writes never is
/// the syntax of FTS5. `None` when no word has a letter or digit, for those are all that is indexed.
fn matching(words: &str) -> Option<String> {
    let phrases: Vec<String> = words
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .map(|word| format!("\"{}\"*", word.chars().take(WORD_CHARS_MAX).collect::<String>().replace('"', "\"\"")))
        .collect();
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

fn stored(row: &SqliteRow) -> Result<Stored, GuardError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let maybe = |column: &str| row.try_get::<Option<String>, _>(column);
    let event = Event {
        time: at(row.try_get("time")?),
        kind: text("kind")?,
        host: maybe("host")?.and_then(|h| h.parse().ok()),
        severity: text("severity")?.parse().unwrap_or(Severity::Informational),
        outcome: outcome(&text("outcome")?),
        actor: Actor { name: text("actor")?, from: maybe("from_")? },
        message: text("message")?,
        object: maybe("object")?,
        audit: row.try_get::<i64, _>("audit")? != 0,
        data: maybe("data")?.and_then(|d| serde_json::from_str(&d).ok()).unwrap_or_default(),
    };
    Ok(Stored { id: row.try_get("id")?, event })
}

fn data_text(data: &Value) -> Option<String> {
    let text = (!data.is_null()).then(|| data.to_string())?;
    if text.len() <= DATA_BYTES_MAX {
        return Some(text);
    }
    Some(
        serde_json::json!({ "left_out": format!("{} bytes of data, more than {DATA_BYTES_MAX}", text.len()) })
            .to_string(),
    )
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Refused => "refused",
    }
}

fn outcome(word: &str) -> Outcome {
    match word {
        "success" => Outcome::Success,
        "refused" => Outcome::Refused,
        _ => Outcome::Failure,
    }
}
