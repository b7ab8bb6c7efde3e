//! A webhook in the shape of Alertmanager's, version 4, so that its receivers work as they are; signed
//! when the channel has a secret.
//!
//! The signature is `X-Palisade-Signature: t=SECONDS,v1=HEX`: HMAC-SHA256 with the secret as key over
//! the seconds, a point and the body. Who checks it refuses what is older than a few minutes.

use super::{Failure, Letter, hashed};
use crate::notify::message::{self, Item, Message};
use crate::notify::template;
use palisade_guard::notice::NoticeState;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What Alertmanager says for "not over".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Sends it.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    let body = body(letter).to_string().into_bytes();
    let signature = letter.secret.map(|secret| signature(secret, letter.now.as_second(), &body));
    let headers = signature.map(|value| ("x-palisade-signature", value)).into_iter().collect();
    letter.post(letter.url()?, body, headers).await
}

/// The value of the header.
pub fn signature(secret: &str, now_s: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{now_s}.").as_bytes());
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now_s},v1={hex}")
}

fn body(letter: &Letter<'_>) -> Value {
    let (message, template) = (letter.message, letter.spec.template.as_ref());
    json!({
        "version": "4",
        "groupKey": message.group,
        "truncatedAlerts": message.left_out,
        "status": if message.is_resolved() { "resolved" } else { "firing" },
        "receiver": letter.channel,
        "groupLabels": message::values(&message.labels),
        "commonLabels": common(message, labels),
        "commonAnnotations": common(message, annotations),
        "externalURL": "",
        "alerts": message.items.iter().map(alert).collect::<Vec<_>>(),
        "title": template::title(template, message),
        "text": template::text(template, message),
    })
}

fn alert(item: &Item) -> Value {
    let notice = &item.notice;
    let ends_at = match notice.state {
        NoticeState::Firing => NEVER.to_owned(),
        NoticeState::Resolved => notice.ends_at.unwrap_or(notice.starts_at).to_string(),
        // it happened, and that is all
        NoticeState::Once => notice.starts_at.to_string(),
    };
    json!({
        "status": if notice.state == NoticeState::Resolved { "resolved" } else { "firing" },
        "labels": labels(item),
        "annotations": annotations(item),
        "startsAt": notice.starts_at,
        "endsAt": ends_at,
        "generatorURL": "",
        "fingerprint": hashed(&notice.key),
    })
}

/// The labels, with an `alertname` in any case.
pub fn labels(item: &Item) -> BTreeMap<String, String> {
    let mut labels = message::values(&item.labels);
    labels.entry("alertname".to_owned()).or_insert_with(|| "palisade".to_owned());
    labels
}

/// The annotations, with `summary` and `description` in any case.
pub fn annotations(item: &Item) -> BTreeMap<String, String> {
    let mut annotations = message::values(&item.notice.annotations);
    let title = || message::line(&item.notice.title, message::TITLE_CHARS_MAX);
    annotations.entry("summary".to_owned()).or_insert_with(title);
    let text = || message::bounded(&item.notice.text, message::TEXT_CHARS_MAX);
    annotations.entry("description".to_owned()).or_insert_with(text);
    annotations
}

fn common(message: &Message, of: impl Fn(&Item) -> BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = message.items.iter().map(of);
    let Some(mut common) = all.next() else { return BTreeMap::new() };
    all.for_each(|other| common.retain(|name, value| other.get(name) == Some(value)));
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_over_time_and_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature("key", 1_700_000_000, b"{}"), expected);
    }
}
