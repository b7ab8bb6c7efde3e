//! The one message that a host sends by itself, in the shape of Alertmanager's webhook, version 4.

use super::judge::Letter;
use crate::notify::channel::{hashed, webhook};
use crate::notify::http::{self, Call};
use crate::outbound::Reach;
use ::http::Method;
use palisade_core::{HostId, Timestamp};
use palisade_guard::contract::chain;
use serde_json::{Value, json};

/// The name of the alert.
pub const ALERT: &str = "ServerSilent";
/// What Alertmanager says for "not over".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Sends it. An error says why the receiver does not have it; it never holds the secret.
pub async fn send(letter: &Letter, host: &HostId, now: Timestamp) -> Result<(), String> {
    let watch = &letter.silence.watch;
    let body = body(letter, host).to_string().into_bytes();
    let mut headers = vec![("content-type", "application/json".to_owned()), ("idempotency-key", id(letter, host))];
    if let Some(secret) = &watch.secret {
        headers.push(("x-palisade-signature", webhook::signature(&secret.0, now.as_second(), &body)));
    }
    let reach = Reach::of(watch.allow_private);
    let call = Call { method: Method::POST, url: &watch.url, headers, body, ca_pem: watch.ca_pem.as_deref(), reach };
    let answer = http::call(&call).await.map_err(|error| chain(&error))?;
    match answer.status {
        200..=299 => Ok(()),
        status => Err(format!("the receiver answered {status}")),
    }
}

/// The same again is the same message.
fn id(letter: &Letter, host: &HostId) -> String {
    let state = if letter.back_at.is_some() { "resolved" } else { "firing" };
    hashed(&format!("{host}\n{}\n{}\n{state}", letter.silence.watch.name, letter.silence.since))
}

/// What is told; nothing of it but names and moments comes from the server.
fn body(letter: &Letter, host: &HostId) -> Value {
    let silence = &letter.silence;
    let (name, since) = (&silence.watch.name, silence.since.to_string());
    let labels = json!({ "alertname": ALERT, "host": host, "severity": "critical", "watch": name });
    let (status, summary, ends_at) = match letter.back_at {
        Some(at) => ("resolved", format!("{host} hears its Palisade server again"), at.to_string()),
        None => ("firing", format!("{host} has not heard its Palisade server since {since}"), NEVER.to_owned()),
    };
    let text = "The server has ended, its machine is down, or the network between has gone. Until it is back nobody judges alarms.";
    let annotations = json!({ "summary": summary, "description": if letter.back_at.is_some() { "" } else { text } });
    json!({
        "version": "4",
        "groupKey": format!("{ALERT}/{host}/{name}"),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": name,
        "groupLabels": { "alertname": ALERT },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": since,
            "endsAt": ends_at,
            "generatorURL": "",
            "fingerprint": hashed(&format!("{ALERT}\n{host}\n{name}")),
        }],
        "title": summary,
        "text": summary,
    })
}
