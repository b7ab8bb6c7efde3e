//! Where notifications arrive: a webhook on loopback that remembers what it was told.
//!
//! Told at least once is told twice now and then: a message that has the `Idempotency-Key` of an older
//! one must be the same message. A sink that is not reliable refuses some, and takes some without an
//! answer, so that this happens.

use crate::random;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use palisade_core::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The share of messages that a sink that is not reliable refuses, and that it takes without an answer.
const FAULTY_SHARE: f64 = 0.02;
/// Faults that are told in words.
const FAULTS_MAX: usize = 20;
/// The largest message.
const BYTES_MAX: usize = 4 << 20;

/// What it was told of one alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Of which host.
    pub host: String,
    /// When the alarm began, in seconds since 1970.
    pub from_s: i64,
    /// When it was over, if that was told.
    pub to_s: Option<i64>,
    /// When it was first told of it, in milliseconds since 1970.
    pub first_ms: i64,
}

/// All that it was told.
#[derive(Debug, Default)]
pub struct Heard {
    /// By the alarm's fingerprint.
    pub alarms: HashMap<String, Told>,
    /// Messages that came again, with the key that they had before.
    pub repeats: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Messages that were taken without an answer.
    pub unanswered: u64,
    /// What must never be said.
    pub faults: Vec<String>,
    /// What each message said, by its key.
    messages: HashMap<String, Value>,
}

/// A webhook; it listens until dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where.
    pub url: String,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Listens on a free port of loopback.
    pub async fn start(is_reliable: bool) -> Result<Sink> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port for the webhook")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&heard), is_reliable));
        Ok(Sink { url, heard, task })
    }

    /// What it was told until now.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no panic while held")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, heard: Arc<Mutex<Heard>>, is_reliable: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        let service = service_fn(move |request| answer(Arc::clone(&heard), request, is_reliable));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// An error closes the connection without an answer.
async fn answer(
    heard: Arc<Mutex<Heard>>,
    request: Request<Incoming>,
    is_reliable: bool,
) -> io::Result<Response<Full<Bytes>>> {
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or("").to_owned();
    let body = http_body_util::Limited::new(request.into_body(), BYTES_MAX).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let chance = if is_reliable { 1.0 } else { random() };
    let mut heard = heard.lock().expect("no panic while held");
    let mut response = Response::new(Full::default());
    if chance < FAULTY_SHARE {
        heard.refused += 1;
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return Ok(response);
    }
    heard.take(&key, &serde_json::from_slice(&body)?, SystemClock.now());
    if chance < 2.0 * FAULTY_SHARE {
        heard.unanswered += 1;
        return Err(io::Error::other("taken without an answer"));
    }
    Ok(response)
}

impl Heard {
    /// Messages that were taken, each once.
    pub fn messages(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Takes a message with its key.
    pub fn take(&mut self, key: &str, message: &Value, now: Timestamp) {
        let alerts = &message["alerts"];
        if let Some(before) = self.messages.get(key) {
            self.repeats += 1;
            if before != alerts {
                self.fault(format!("two messages have the key `{key}`: {before} and {alerts}"));
            }
            return;
        }
        self.messages.insert(key.to_owned(), alerts.clone());
        for alert in alerts.as_array().into_iter().flatten() {
            if self.told(alert, now).is_none() {
                self.fault(format!("not an alert: {alert}"));
            }
        }
    }

    fn told(&mut self, alert: &Value, now: Timestamp) -> Option<()> {
        let second = |name: &str| Some(alert[name].as_str()?.parse::<Timestamp>().ok()?.as_second());
        let host = alert["labels"]["host"].as_str()?.to_owned();
        let (fingerprint, from_s) = (alert["fingerprint"].as_str()?, second("startsAt")?);
        let to_s = if alert["status"] == "resolved" { Some(second("endsAt")?) } else { None };
        if let Some(told) = self.alarms.get_mut(fingerprint) {
            let is_same = told.host == host && told.from_s == from_s;
            let is_later = to_s.is_some() && told.to_s.is_none_or(|before| to_s == Some(before));
            told.to_s = to_s;
            if !is_same || !is_later {
                self.fault(format!("{host}, since {from_s}: told again, until {to_s:?}"));
            }
            return Some(());
        }
        let first_ms = now.as_millisecond();
        self.alarms.insert(fingerprint.to_owned(), Told { host, from_s, to_s, first_ms });
        Some(())
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn message(status: &str) -> Value {
        let ends = if status == "resolved" { "2026-09-21T13:00:05Z" } else { "0001-01-01T00:00:00Z" };
        json!({ "alerts": [{ "status": status, "labels": { "host": "h" }, "fingerprint": "f",
            "startsAt": "2026-09-21T13:00:00Z", "endsAt": ends }] })
    }

    fn heard(said: &[(&str, &str)]) -> Heard {
        let mut heard = Heard::default();
        said.iter().for_each(|(key, status)| heard.take(key, &message(status), Timestamp::UNIX_EPOCH));
        heard
    }

    #[test]
    fn a_beginning_an_end_and_a_message_that_comes_again_are_well() {
        let heard = heard(&[("1", "firing"), ("1", "firing"), ("2", "resolved"), ("1", "firing"), ("3", "resolved")]);
        assert_eq!((heard.faults.len(), heard.repeats, heard.messages()), (0, 2, 3));
        let told = &heard.alarms["f"];
        assert_eq!((told.host.as_str(), told.to_s.map(|to| to - told.from_s)), ("h", Some(5)));
    }

    #[test]
    fn a_second_beginning_and_another_text_under_the_same_key_are_faults() {
        assert_eq!(heard(&[("1", "firing"), ("2", "firing")]).faults.len(), 1);
        assert_eq!(heard(&[("1", "resolved"), ("2", "firing")]).faults.len(), 1);
        assert_eq!(heard(&[("1", "firing"), ("1", "resolved")]).faults.len(), 1);
    }
}
