//! Alarms of events and findings: judged where they are recorded, in the same transaction.

use super::book::{Book, Rule};
use super::rule::EventPart;
use super::store::{self, AlarmBody, AlarmRow};
use super::tell;
use palisade_core::{Event, Finding, HostId, Severity, Timestamp};
use palisade_guard::notice::NoticeState;
use palisade_guard::store::{self as frame_store, FindingChange};
use palisade_guard::{GuardError, Notify};
use sqlx::SqliteConnection;

/// Findings of one look that make alarms.
const FINDINGS_MAX: usize = 200;

/// An event was recorded.
pub async fn recorded(db: &mut SqliteConnection, notify: &dyn Notify, event: &Event) -> Result<(), GuardError> {
    for name in store::event_rules(db, &event.kind).await? {
        let Some((rule, part)) = applying(db, &name, event.host.as_ref()).await? else { continue };
        if part.clear.as_deref() == Some(event.kind.as_str()) {
            cleared(db, notify, &rule, event).await?;
        } else if part.means(&event.kind, event.severity) {
            happened(db, notify, (&rule, &part), event).await?;
        }
    }
    Ok(())
}

/// The rule, if it is for this host now. What happens on the server itself has no host: only rules
/// for every host are for it.
async fn applying(
    db: &mut SqliteConnection,
    name: &str,
    host: Option<&HostId>,
) -> Result<Option<(Rule, EventPart)>, GuardError> {
    let Some((rule, groups)) = Book::read_rule(db, name).await? else { return Ok(None) };
    let holds = match host {
        Some(host) => frame_store::host(db, host).await?.is_some_and(|row| rule.spec.scope.holds(&row, &groups)),
        None => rule.spec.scope == crate::scope::Scope::default(),
    };
    let part = rule.spec.event.clone().filter(|_| holds);
    Ok(part.map(|part| (rule, part)))
}

async fn cleared(db: &mut SqliteConnection, notify: &dyn Notify, rule: &Rule, event: &Event) -> Result<(), GuardError> {
    let host = event.host.as_ref().map_or("", |host| host.as_str());
    let Some(mut row) = store::alarm_open(db, (&rule.name, -1), host, "event").await? else { return Ok(()) };
    end(db, notify, &mut row, event.time, Some(&event.message)).await
}

async fn end(
    db: &mut SqliteConnection,
    notify: &dyn Notify,
    row: &mut AlarmRow,
    time: Timestamp,
    said: Option<&str>,
) -> Result<(), GuardError> {
    let at_ms = time.as_millisecond().max(row.since);
    (row.state, row.ended, row.changed) = ("resolved".to_owned(), Some(at_ms), at_ms);
    store::alarm_put(db, row, "resolved").await?;
    notify.notify(db, &tell::notice(row, NoticeState::Resolved, said)).await
}

async fn happened(
    db: &mut SqliteConnection,
    notify: &dyn Notify,
    (rule, part): (&Rule, &EventPart),
    event: &Event,
) -> Result<(), GuardError> {
    let host = event.host.as_ref().map_or("", |host| host.as_str());
    let (at_ms, within_ms) = (event.time.as_millisecond(), part.within.as_secs() as i64 * 1_000);
    let before = store::alarm_of_event(db, &rule.name, host).await?;
    // an alarm that stands, or was told of just now, is not told again
    let is_told = |row: &AlarmRow| row.ended.is_none() || (part.clear.is_none() && row.since > at_ms - within_ms);
    if before.is_some_and(|row| is_told(&row)) {
        return Ok(());
    }
    if part.times > 1 {
        if store::hit_put(db, (&rule.name, host), at_ms, at_ms - within_ms).await? < i64::from(part.times) {
            return Ok(());
        }
        store::hits_remove(db, &rule.name, host).await?;
    }
    let again = if part.times > 1 { format!(" ({} times within {})", part.times, part.within) } else { String::new() };
    let title = palisade_guard::cli::printable(&format!("{}{again}", event.message));
    let severity = if rule.is_builtin { event.severity.max(rule.spec.severity) } else { rule.spec.severity };
    let mut row = row(rule, (host, "event"), severity, (&title, &title), event.time);
    let state = if part.clear.is_some() { NoticeState::Firing } else { NoticeState::Once };
    if state == NoticeState::Once {
        (row.state, row.ended) = ("resolved".to_owned(), Some(at_ms));
    }
    store::alarm_put(db, &mut row, "firing").await?;
    notify.notify(db, &tell::notice(&row, state, None)).await
}

fn row(
    rule: &Rule,
    (host, object): (&str, &str),
    severity: Severity,
    (title, sentence): (&str, &str),
    time: Timestamp,
) -> AlarmRow {
    let body = AlarmBody {
        title: title.chars().take(300).collect(),
        sentence: sentence.chars().take(1_000).collect(),
        told: tell::told(&rule.spec),
        ..AlarmBody::default()
    };
    let at_ms = time.as_millisecond();
    AlarmRow {
        id: 0,
        rule: rule.name.clone(),
        edition: rule.edition.clone(),
        policy: -1,
        host: host.to_owned(),
        object: object.to_owned(),
        state: "firing".to_owned(),
        stale: 0,
        severity: severity.to_string(),
        value: 0.0,
        since: at_ms,
        ended: None,
        changed: at_ms,
        acknowledged_by: None,
        acknowledged_at: None,
        acknowledged_note: None,
        body: serde_json::to_string(&body).expect("strings"),
        cause: None,
    }
}

/// A look has found something new, or no longer found something.
pub async fn findings_changed(
    db: &mut SqliteConnection,
    notify: &dyn Notify,
    host: &HostId,
    change: &FindingChange,
    at: Timestamp,
) -> Result<(), GuardError> {
    if change.opened.is_empty() && change.mended.is_empty() {
        return Ok(());
    }
    for name in store::finding_rules(db).await? {
        let Some((rule, part)) = applying(db, &name, Some(host)).await? else { continue };
        let Some(wanted) = &part.finding else { continue };
        for finding in change.opened.iter().filter(|f| wanted.means(f)).take(FINDINGS_MAX) {
            opened(db, notify, &rule, finding, at).await?;
        }
        for id in &change.mended {
            let object = format!("finding:{id}");
            if let Some(mut row) = store::alarm_open(db, (&rule.name, -1), host.as_str(), &object).await? {
                end(db, notify, &mut row, at, None).await?;
            }
        }
    }
    Ok(())
}

async fn opened(
    db: &mut SqliteConnection,
    notify: &dyn Notify,
    rule: &Rule,
    finding: &Finding,
    at: Timestamp,
) -> Result<(), GuardError> {
    let object = format!("finding:{}", finding.id);
    let host = finding.host.as_str();
    if store::alarm_open(db, (&rule.name, -1), host, &object).await?.is_some() {
        return Ok(());
    }
    let title = palisade_guard::cli::printable(&format!("{} on {host}: {}", finding.title, finding.object));
    let sentence = format!("{title}. {}", finding.why);
    let mut row = row(rule, (host, &object), finding.severity, (&title, &sentence), at);
    store::alarm_put(db, &mut row, "firing").await?;
    notify.notify(db, &tell::notice(&row, NoticeState::Firing, None)).await
}
