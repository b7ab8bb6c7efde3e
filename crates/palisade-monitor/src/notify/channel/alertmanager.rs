//! The v2 API of an Alertmanager, which groups, silences and repeats by its own rules. It takes an
//! alert for resolved when its end has come, so that what fires is told again every minute with an
//! end a few minutes ahead (`group::RELAY_REPEAT_MS`).

use super::webhook::annotations;
use super::{Failure, Letter};
use crate::notify::message::{Item, line};
use base64::Engine;
use palisade_core::Timestamp;
use palisade_guard::notice::NoticeState;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long something fires for an Alertmanager that hears no more of it.
const ENDS_AFTER: Duration = Duration::from_secs(300);
/// The label that keeps two things apart that have the same labels otherwise.
const KEY: &str = "palisade_key";

/// Sends it.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    let alerts: Vec<Value> = letter.message.items.iter().map(|item| alert(item, letter.now)).collect();
    let url = format!("{}/api/v2/alerts", letter.url()?.trim_end_matches('/'));
    let authorization = letter.secret.map(|secret| match &letter.spec.user {
        Some(user) => {
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}")))
        }
        None => format!("Bearer {secret}"),
    });
    let headers = authorization.map(|value| ("authorization", value)).into_iter().collect();
    letter.post(&url, json!(alerts).to_string().into_bytes(), headers).await
}

fn alert(item: &Item, now: Timestamp) -> Value {
    let notice = &item.notice;
    // an Alertmanager refuses what begins in the future or after its end
    let starts_at = notice.starts_at.min(now);
    let ends_at = match notice.state {
        NoticeState::Resolved => notice.ends_at.unwrap_or(now).min(now).max(starts_at),
        NoticeState::Firing | NoticeState::Once => now + ENDS_AFTER,
    };
    json!({ "labels": labels(item), "annotations": annotations(item), "startsAt": starts_at, "endsAt": ends_at })
}

/// Labels as Alertmanager 0.25 takes them: ASCII names, no empty values.
fn labels(item: &Item) -> BTreeMap<String, String> {
    let name = |text: &str| -> String {
        let good = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let all: String = line(text, 100).chars().map(good).collect();
        if all.starts_with(|c: char| c.is_ascii_digit()) { format!("_{all}") } else { all }
    };
    let mut labels: BTreeMap<String, String> =
        super::webhook::labels(item).into_iter().map(|(key, value)| (name(&key), value)).collect();
    labels.insert(KEY.to_owned(), line(&item.notice.key, 200));
    labels.retain(|key, value| !key.is_empty() && !value.is_empty());
    labels
}
