//! One look of a probe at its target: what answered, how fast, and whether it is what was expected.
//!
//! The target may be hostile. Every look ends with its timeout; what is read has a limit; text that
//! the target sent is cut before it is shown. What had been learnt before a failure is kept.

mod dns;
mod http;
mod icmp;
mod tcp;
mod tls;

pub use tls::certificates;

use super::spec::{ProbeSpec, ProbeType};
use crate::outbound::{OutboundError, Reach};
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

/// What is shown of a text that a target has sent, in characters.
const SHOWN_CHARS_MAX: usize = 200;
/// An error text has at most this many.
const ERROR_CHARS_MAX: usize = 500;

/// How a look ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// True if the target answered as expected.
    pub up: bool,
    /// What it took, in seconds.
    pub duration_s: f64,
    /// Why it is not up, in a sentence.
    pub error: Option<String>,
    /// What was learnt, by name, for people: `address`, `status`, `issuer`, ….
    pub facts: BTreeMap<String, Value>,
    /// What was measured besides: metric and value.
    pub values: Vec<(&'static str, f64)>,
}

/// What is learnt during a look.
#[derive(Debug, Default)]
struct Seen {
    facts: BTreeMap<String, Value>,
    values: Vec<(&'static str, f64)>,
}

impl Seen {
    fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }
}

/// Looks once.
pub async fn look(spec: &ProbeSpec) -> Outcome {
    let (started, limit) = (Instant::now(), spec.timeout.as_duration());
    let mut seen = Seen::default();
    let ended = tokio::time::timeout(limit, looked(spec, &mut seen)).await;
    let error = match ended {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some(format!("no whole answer within {}", spec.timeout)),
    };
    Outcome {
        up: error.is_none(),
        duration_s: started.elapsed().as_secs_f64(),
        error: error.map(|why| why.chars().take(ERROR_CHARS_MAX).collect()),
        facts: seen.facts,
        values: seen.values,
    }
}

async fn looked(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    match spec.kind {
        ProbeType::Icmp => icmp::look(spec, seen).await,
        ProbeType::Tcp => tcp::look(spec, seen).await,
        ProbeType::Http => http::look(spec, seen).await,
        ProbeType::Tls => tls::look(spec, seen).await,
        ProbeType::Dns => dns::look(spec, seen).await,
    }
}

fn reach(spec: &ProbeSpec) -> Reach {
    Reach::of(spec.allow_private)
}

/// The time that what is done first may take: all of it, the look as a whole is limited elsewhere.
fn limit(spec: &ProbeSpec) -> Duration {
    spec.timeout.as_duration()
}

/// An error with its causes, on one line.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn unreached(error: OutboundError) -> String {
    match &error {
        OutboundError::Timeout { timeout, .. } => format!("no whole answer within {}s", timeout.as_secs()),
        _ => said(&error),
    }
}

/// Text of the target, for people.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(SHOWN_CHARS_MAX).collect()
}
