//! What hosts tell, taken in: tables, and events for the journal.
//!
//! Records are taken in inside the frame's transaction, where there is no journal; so events are put
//! into a table in the same transaction, and [`run`] takes them from there into the journal: none is
//! lost or told twice by a crash in between.

use super::record::{Connections, Foreign, Hit, Logged, LoggedRow, Outcome as Fate, Tampered, Told, cut};
use super::{connections, denied, hits, store};
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::contract::{Record, chain};
use palisade_guard::{GuardError, ServerContext};
use serde::Deserialize;
use serde_json::json;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// The topic of pages that show hits and denied packets.
pub const TOPIC: &str = "firewall/hits";
/// The journal is told of a source at a rule at most so often.
pub const TELL_EVERY_MS: i64 = 600_000;
/// Sources of one host that the journal is told of by name in that time; of the rest it hears that
/// there are more.
pub const SOURCES_TOLD_MAX: i64 = 20;
/// Ports that an event names.
const PORTS_SAID_MAX: usize = 5;
/// The number of records after which a host's next one looks whether rows must make room.
const TRIM_EVERY: u64 = 16;
/// Events that are taken into the journal in one transaction.
const EVENTS_AT_ONCE: i64 = 200;
/// Events that are there without anybody having said so are found after this time.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Takes records of a host in.
pub async fn ingest(db: &mut SqliteConnection, host: &HostId, records: &[Record]) -> Result<(), GuardError> {
    for record in records {
        let decode = |source| GuardError::Decode { what: "record", guard: crate::WORD, source };
        match Told::deserialize(&record.body).map_err(decode)? {
            Told::Logged(logged) => {
                take_logged(db, host, logged, record.at).await?;
                if record.seq.is_multiple_of(TRIM_EVERY) {
                    store::denied_trim(db).await?;
                }
            }
            Told::Hits(list) => take_hits(db, host, list).await?,
            Told::Foreign(foreign) => store::event_put(db, &foreign_event(host, &foreign)).await?,
            Told::Tampered(tampered) => store::event_put(db, &tampered_event(host, &tampered)).await?,
            Told::Connections(told) => take_connections(db, host, told).await?,
        }
    }
    Ok(())
}

/// A host may be in hostile hands: lists and names are cut to what an honest one sends.
async fn take_hits(db: &mut SqliteConnection, host: &HostId, list: Vec<Hit>) -> Result<(), GuardError> {
    for hit in list.into_iter().take(hits::RULES_MAX) {
        store::hit_add(db, host, &Hit { rule: cut(&hit.rule), ..hit }).await?;
    }
    Ok(())
}

async fn take_connections(db: &mut SqliteConnection, host: &HostId, mut told: Connections) -> Result<(), GuardError> {
    told.rows.truncate(connections::ROWS_MAX);
    for row in &mut told.rows {
        row.process = row.process.as_deref().map(cut);
        row.protocol = cut(&row.protocol);
    }
    store::connections_put(db, host, &told).await
}

async fn take_logged(
    db: &mut SqliteConnection,
    host: &HostId,
    logged: Logged,
    now: Timestamp,
) -> Result<(), GuardError> {
    let rows = logged.rows.into_iter().take(denied::ROWS_MAX);
    let rows: Vec<LoggedRow> =
        rows.map(|r| LoggedRow { rule: cut(&r.rule), protocol: cut(&r.protocol), ..r }).collect();
    let mut tries: BTreeMap<(bool, &str, String), Vec<&LoggedRow>> = BTreeMap::new();
    for row in &rows {
        if !row.allowed {
            store::denied_add(db, host, row).await?;
        }
        tries.entry((row.allowed, &row.rule, row.peer.to_string())).or_default().push(row);
    }
    let since = now - jiff::SignedDuration::from_millis(TELL_EVERY_MS);
    let mut room = SOURCES_TOLD_MAX - store::told_count(db, host, since).await?;
    let (mut sources, mut packets) = (0, logged.more.saturating_add(logged.lost));
    for ((allowed, rule, source), rows) in &tries {
        let count = rows.iter().map(|row| row.packets).fold(0, u64::saturating_add);
        match told_due(db, host, (*allowed, rule, source), count, now, room > 0).await? {
            Due::Told(all) => {
                room -= 1;
                store::event_put(db, &logged_event(host, (*allowed, rule, source), rows, all, now)).await?;
            }
            Due::NoRoom => (sources, packets) = (sources + 1, packets.saturating_add(count)),
            Due::Later => {}
        }
    }
    if packets > 0
        && let Due::Told(all) = told_due(db, host, (false, "", ""), packets, now, true).await?
    {
        store::event_put(db, &more_event(host, sources, all, now)).await?;
    }
    Ok(())
}

/// Whether the journal is to be told.
enum Due {
    /// Now, of so many packets.
    Told(u64),
    /// It was told lately.
    Later,
    /// Of too many sources already.
    NoRoom,
}

async fn told_due(
    db: &mut SqliteConnection,
    host: &HostId,
    (allowed, rule, source): (bool, &str, &str),
    packets: u64,
    now: Timestamp,
    room: bool,
) -> Result<Due, GuardError> {
    let rule = if allowed { format!("allow {rule}") } else { rule.to_owned() };
    let (now, packets) = (now.as_millisecond(), i64::try_from(packets).unwrap_or(i64::MAX / 2));
    let (due, keep) = match store::told(db, host, &rule, source).await? {
        Some((told_at, before)) if (0..TELL_EVERY_MS).contains(&(now - told_at)) => {
            (Due::Later, (told_at, before.saturating_add(packets)))
        }
        _ if !room => return Ok(Due::NoRoom),
        Some((_, before)) => (Due::Told(before.saturating_add(packets) as u64), (now, 0)),
        None => (Due::Told(packets as u64), (now, 0)),
    };
    store::told_put(db, host, &rule, source, keep).await?;
    Ok(due)
}

fn logged_event(
    host: &HostId,
    (allowed, rule, source): (bool, &str, &str),
    rows: &[&LoggedRow],
    packets: u64,
    now: Timestamp,
) -> Event {
    let (kind, done) = if allowed { ("firewall.allowed", "let through") } else { ("firewall.denied", "denied") };
    let mut tried: Vec<String> =
        rows.iter().filter_map(|row| Some(format!("{}/{}", row.protocol, row.port?))).collect();
    let more = rows.iter().any(|row| row.port.is_none()) || tried.len() > PORTS_SAID_MAX;
    tried.truncate(PORTS_SAID_MAX);
    let tried = if tried.is_empty() { rows.iter().map(|row| row.protocol.clone()).take(1).collect() } else { tried };
    let rest = if more { " and more" } else { "" };
    let times = if packets == 1 { "one packet".to_owned() } else { format!("{packets} packets") };
    let message = format!("{times} with {source} {done} by rule {rule}: {}{rest}", tried.join(", "));
    let data = json!({ "rule": rule, "source": source, "packets": packets });
    event(host, kind, Severity::Informational, message, source, now, data)
}

fn more_event(host: &HostId, sources: u64, packets: u64, now: Timestamp) -> Event {
    let message = format!("{packets} more denied packets, of {sources} or more further sources");
    let data = json!({ "packets": packets, "sources": sources });
    event(host, "firewall.denied", Severity::Low, message, "", now, data)
}

fn foreign_event(host: &HostId, foreign: &Foreign) -> Event {
    let by = cut(&foreign.by.to_string());
    let times =
        if foreign.transactions > 1 { format!(" in {} transactions", foreign.transactions) } else { String::new() };
    let message = format!("{by} changed nftables{times}: {}", long(&foreign.what));
    let data = json!({ "by": foreign.by, "tables": foreign.tables.iter().map(|t| cut(t)).collect::<Vec<_>>() });
    let event = event(host, "firewall.foreign", Severity::Low, message, "nftables", foreign.at, data);
    Event { actor: Actor { name: by, from: None }, ..event }
}

fn tampered_event(host: &HostId, tampered: &Tampered) -> Event {
    let by = cut(&tampered.by.to_string());
    let did = match (tampered.flushed, tampered.what.as_str()) {
        (true, _) => "flushed the ruleset".to_owned(),
        (false, what) => format!("changed the table of Palisade ({})", long(what)),
    };
    let (severity, fate) = match tampered.outcome {
        Fate::Kept => (Severity::Medium, "the table of Palisade was kept"),
        Fate::Repaired => (Severity::High, "the table of Palisade was repaired"),
        Fate::Gone => (Severity::Critical, "the table of Palisade is gone, and whoever was shut out is let in"),
    };
    let data = json!({ "by": tampered.by, "flushed": tampered.flushed, "outcome": tampered.outcome });
    let event =
        event(host, "firewall.tampered", severity, format!("{by} {did}; {fate}"), "inet palisade", tampered.at, data);
    Event { actor: Actor { name: by, from: None }, ..event }
}

/// Cut to what a message carries.
fn long(text: &str) -> String {
    text.chars().take(500).collect()
}

fn event(
    host: &HostId,
    kind: &str,
    severity: Severity,
    message: String,
    object: &str,
    time: Timestamp,
    data: serde_json::Value,
) -> Event {
    Event {
        time,
        kind: kind.to_owned(),
        host: Some(host.clone()),
        severity,
        outcome: Outcome::Success,
        actor: Actor { name: "agent".to_owned(), from: None },
        message,
        object: (!object.is_empty()).then(|| object.to_owned()),
        audit: false,
        data,
    }
}

/// Takes events into the journal as they come, until the server ends.
pub async fn run(context: ServerContext) {
    let mut changes = context.changes();
    loop {
        match drain(&context).await {
            Ok(0) => {}
            Ok(_) => context.publish(&["journal", TOPIC]),
            Err(error) => {
                tracing::warn!(guard = crate::WORD, error = chain(&error), "events for the journal; tried again")
            }
        }
        let said = async {
            loop {
                match changes.recv().await {
                    Ok(change) if !change.topics.iter().any(|topic| topic == crate::WORD) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        if let Ok(false) = tokio::time::timeout(LOOK_EVERY, said).await {
            return;
        }
    }
}

/// Takes all events that wait into the journal; returns how many.
pub async fn drain(context: &ServerContext) -> Result<usize, GuardError> {
    let mut count = 0;
    loop {
        if store::events(&mut *context.db.read().acquire().await?, 1).await?.is_none() {
            return Ok(count); // nearly always, without a write
        }
        let mut tx = context.begin().await?;
        let Some((last, events)) = store::events(&mut tx, EVENTS_AT_ONCE).await? else { return Ok(count) };
        for event in &events {
            context.record(&mut tx, event).await?;
        }
        store::events_delete(&mut tx, last).await?;
        tx.commit().await?;
        count += events.len();
    }
}
