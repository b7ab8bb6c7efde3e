//! Events that hosts send, stored many at a time.
//!
//! A statement costs far more than a row: what one host sends is stored in statements of up to
//! [`ROWS_MAX`] rows. Looking for a free id event by event, as [`super::event_put`] does, would be
//! a statement each. Here an id is guessed from the time and the name of the host, one statement
//! says which of many guesses are taken, and the few events behind those are stored one by one.

use super::{IDS_PER_MS, event_put, ids, rows_put};
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::link::CLOCK_SKEW_MAX_S;
use palisade_guard::{GuardError, Record};
use serde::Deserialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Rows of one statement.
const ROWS_MAX: usize = 64;
/// Statements of more rows than this have [`ROWS_MAX`] or a half or a quarter of it, so that there
/// are few different statements and each stays prepared; what one host reports mostly fits in here.
const ROWS_ANY_MAX: usize = 16;
/// How many events of one millisecond one host may send before they are stored one by one.
const GUESSED_PER_MS: i64 = IDS_PER_MS / 2;
/// The first word of the server's own events.
const FRAME: &str = "frame";

/// Stores the events that a host has sent, as events of that host whatever they say. Records that
/// are no event, or one that a host must not send, are passed over, and one event tells of them.
pub async fn ingest(
    db: &mut SqliteConnection,
    host: &HostId,
    records: &[Record],
    now: Timestamp,
) -> Result<(), GuardError> {
    let mut events = Vec::with_capacity(records.len());
    let mut skipped = Skipped::default();
    for record in records {
        match sound(record, host, now) {
            Ok(event) => events.push(event),
            Err(why) => skipped.add(record.seq, why),
        }
    }
    events.extend(skipped.event(host, now));
    events_put(db, host, &events).await
}

/// The event of a record as it is stored, or why it is none.
fn sound(record: &Record, host: &HostId, now: Timestamp) -> Result<Event, String> {
    let mut event = Event::deserialize(&record.body).map_err(|error| error.to_string())?;
    if !is_kind(&event.kind) {
        return Err(format!("its kind `{}` is not guard.noun.verb", event.kind.escape_debug()));
    }
    if event.kind.split('.').next() == Some(FRAME) {
        return Err(format!("its kind `{}` is the server's own", event.kind));
    }
    if event.audit {
        return Err("the audit log is written by the server only".to_owned());
    }
    // a clock that is ahead would put its events on top of every list until that moment has come
    if event.time.as_second() > now.as_second() + CLOCK_SKEW_MAX_S {
        event.time = now;
    }
    event.host = Some(host.clone());
    Ok(event)
}

fn is_kind(kind: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    kind.len() <= super::KIND_BYTES_MAX && kind.split('.').count() == 3 && kind.split('.').all(is_word)
}

/// Records that were passed over.
#[derive(Default)]
struct Skipped {
    count: u64,
    /// Number and reason of the first.
    first: Option<(u64, String)>,
}

impl Skipped {
    fn add(&mut self, seq: u64, why: String) {
        self.count += 1;
        self.first.get_or_insert((seq, why));
    }

    fn event(self, host: &HostId, now: Timestamp) -> Option<Event> {
        let (seq, why) = self.first?;
        Some(Event {
            time: now,
            kind: "journal.record.skip".to_owned(),
            host: Some(host.clone()),
            severity: Severity::Medium,
            outcome: Outcome::Refused,
            actor: Actor { name: "server".to_owned(), from: None },
            message: format!("passed over {} records of {host} that are no events of it: {why}", self.count),
            object: Some(host.to_string()),
            audit: false,
            data: serde_json::json!({ "skipped": self.count, "first_seq": seq }),
        })
    }
}

async fn events_put(db: &mut SqliteConnection, host: &HostId, events: &[Event]) -> Result<(), GuardError> {
    let (mut guessed, mut one_by_one) = guess(host, events);
    guessed.sort_unstable_by_key(|(id, _)| *id);
    let mut taken = HashSet::new();
    for part in parts(&guessed) {
        taken_add(db, part, &mut taken).await?;
    }
    let (again, free): (Vec<_>, Vec<_>) = guessed.into_iter().partition(|(id, _)| taken.contains(id));
    for part in parts(&free) {
        rows_put(db, part).await?;
    }
    one_by_one.extend(again.into_iter().map(|(_, event)| event));
    for event in one_by_one {
        event_put(db, event).await?;
    }
    Ok(())
}

/// All of it, in parts of as many rows as statements have.
fn parts<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let rows = match rest.len() {
            0 => return None,
            few @ 1..=ROWS_ANY_MAX => few,
            many => ROWS_MAX.min(1 << many.ilog2()),
        };
        let (part, after) = rest.split_at(rows);
        rest = after;
        Some(part)
    })
}

/// An id for each event that has room in its millisecond, and the events that have none. All ids
/// are different; that none is taken by a stored event is likely, not sure.
fn guess<'a>(host: &HostId, events: &'a [Event]) -> (Vec<(i64, &'a Event)>, Vec<&'a Event>) {
    let mut hasher = DefaultHasher::new();
    host.hash(&mut hasher);
    let offset = (hasher.finish() % GUESSED_PER_MS as u64) as i64;
    let mut given: HashMap<i64, i64> = HashMap::new();
    let (mut guessed, mut late) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        let first = ids(event.time).0;
        let given = given.entry(first).or_default();
        if *given < GUESSED_PER_MS {
            guessed.push((first + offset + *given, event));
            *given += 1;
        } else {
            late.push(event);
        }
    }
    (guessed, late)
}

/// Adds those of these ids that are taken.
async fn taken_add(
    db: &mut SqliteConnection,
    rows: &[(i64, &Event)],
    taken: &mut HashSet<i64>,
) -> Result<(), GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT id FROM journal_event WHERE id IN (");
    let mut list = query.separated(", ");
    rows.iter().for_each(|(id, _)| _ = list.push_bind(*id));
    query.push(")");
    let found: Vec<(i64,)> = query.build_query_as().fetch_all(db).await?;
    taken.extend(found.into_iter().map(|(id,)| id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_few_different_sizes_and_are_all_of_it() {
        let all: Vec<u32> = (0..203).collect();
        let sizes = |rows: usize| parts(&all[..rows]).map(<[u32]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(203), [64, 64, 64, 11]);
        assert_eq!(sizes(63), [32, 16, 15]);
        assert_eq!(sizes(12), [12]);
        assert_eq!(parts(&all).flatten().copied().collect::<Vec<_>>(), all);
        assert_eq!(parts(&all[..0]).count(), 0);
    }

    #[test]
    fn a_kind_is_three_words() {
        for kind in ["intrusion.login.fail", "waf.rule-942100.match"] {
            assert!(is_kind(kind), "{kind}");
        }
        let long = format!("a.b.{}", "c".repeat(200));
        for kind in ["", "a", "a.b", "a.b.c.d", "a..c", "a.b.", "A.b.c", "a.b.c d", "a.b.\u{e9}", &long] {
            assert!(!is_kind(kind), "{kind}");
        }
    }
}
