//! The stream of orders as a simulated host reads it: specs and their changes are noted, not obeyed.

use crate::tally::{Arrival, Tally};
use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use palisade_core::Generation;
use palisade_guard::delta::patch;
use palisade_guard::link::{Down, HEARTBEAT_S, SpecHeld, spec_hash};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A server that is silent on the stream of orders for this long is gone, as for an agent.
const SILENCE_MAX: Duration = Duration::from_secs(HEARTBEAT_S * 3);
const LINE_BYTES_MAX: usize = 64 << 20;

/// What a host holds of specs. One host of a fleet is the witness: it makes every change and checks
/// that the result is what the server meant. The others only note what arrives, so that a thousand
/// of them fit into one process; they say nothing of specs when they connect again.
#[derive(Debug, Default)]
pub struct Specs {
    is_witness: bool,
    held: BTreeMap<String, (Generation, Value)>,
}

/// What matters of a message, read without making its values.
#[derive(Deserialize)]
struct Seen {
    spec: Option<IgnoredAny>,
    delta: Option<IgnoredAny>,
}

impl Specs {
    /// Of the witness, or of one of the others.
    pub fn new(is_witness: bool) -> Specs {
        Specs { is_witness, ..Specs::default() }
    }

    /// What the next hello says.
    pub fn held(&self) -> BTreeMap<String, SpecHeld> {
        let held =
            |(generation, spec): &(Generation, Value)| SpecHeld { generation: *generation, hash: spec_hash(spec) };
        self.held.iter().map(|(guard, spec)| (guard.clone(), held(spec))).collect()
    }

    /// Reads the stream until it ends.
    pub async fn listen(&mut self, mut stream: Incoming, tally: &Tally) -> Result<()> {
        let mut buffer = Vec::new();
        let mut searched = 0;
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, stream.frame()).await.context("the server is silent")?;
            let frame = frame.context("the server ended the stream of orders")?;
            let Ok(data) = frame.context("reading orders")?.into_data() else { continue };
            buffer.extend_from_slice(&data);
            while let Some(end) = buffer[searched..].iter().position(|b| *b == b'\n') {
                let at = Instant::now();
                let line: Vec<u8> = buffer.drain(..=searched + end).collect();
                searched = 0;
                if let Some(is_delta) = self.take(&line)? {
                    tally.arrived(Arrival { at, bytes: line.len(), is_delta });
                }
            }
            searched = buffer.len();
            if buffer.len() > LINE_BYTES_MAX {
                bail!("an order is longer than {LINE_BYTES_MAX} bytes");
            }
        }
    }

    /// Takes one message; for a spec, whether it was a change. An error is a fault of the server.
    fn take(&mut self, line: &[u8]) -> Result<Option<bool>, WrongOrder> {
        let unreadable = |error: serde_json::Error| WrongOrder::Unreadable(error.to_string());
        if !self.is_witness {
            if !line.starts_with(b"{") {
                // a message without a body
                return serde_json::from_slice::<IgnoredAny>(line).map(|_| None).map_err(unreadable);
            }
            let seen: Seen = serde_json::from_slice(line).map_err(unreadable)?;
            return Ok(seen.spec.map(|_| false).or(seen.delta.map(|_| true)));
        }
        match serde_json::from_slice(line).map_err(unreadable)? {
            Down::Spec { guard, generation, spec } => {
                self.held.insert(guard, (generation, spec));
                Ok(Some(false))
            }
            Down::Delta { guard, from, generation, splices, hash } => {
                let wrong = || WrongOrder::Delta(guard.clone());
                let (held, spec) = self.held.get(&guard).ok_or_else(wrong)?;
                let spec = patch(spec, splices).ok().filter(|spec| *held == from && spec_hash(spec) == hash);
                let spec = spec.ok_or_else(wrong)?;
                self.held.insert(guard, (generation, spec));
                Ok(Some(true))
            }
            _ => Ok(None),
        }
    }
}

/// The server sent something that an agent could not use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongOrder {
    /// No message of the protocol.
    #[error("an order that cannot be read: {0}")]
    Unreadable(String),
    /// A change that does not lead to the spec that was meant.
    #[error("a change of the {0} spec that does not fit")]
    Delta(String),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use palisade_guard::link::Splice;
    use serde_json::json;

    fn line(down: &Down) -> Vec<u8> {
        serde_json::to_vec(down).unwrap()
    }

    fn messages(hash: &str) -> [Vec<u8>; 3] {
        let generation = |n| serde_json::from_value(json!({ "epoch": 1, "n": n })).unwrap();
        let splice = Splice { field: "bans".into(), at: Some(1), removed: 0, inserted: vec![json!(2)] };
        [
            line(&Down::Spec { guard: "firewall".into(), generation: generation(1), spec: json!({ "bans": [1] }) }),
            line(&Down::Delta {
                guard: "firewall".into(),
                from: generation(1),
                generation: generation(2),
                splices: vec![splice],
                hash: hash.to_owned(),
            }),
            line(&Down::Heartbeat),
        ]
    }

    #[test]
    fn every_host_tells_a_whole_spec_a_change_and_the_rest_apart() {
        let good = spec_hash(&json!({ "bans": [1, 2] }));
        for is_witness in [true, false] {
            let mut specs = Specs::new(is_witness);
            let said: Vec<_> = messages(&good).iter().map(|line| specs.take(line).unwrap()).collect();
            assert_eq!(said, [Some(false), Some(true), None]);
            assert_eq!(specs.held().get("firewall").map(|held| held.hash.clone()), is_witness.then(|| good.clone()));
        }
    }

    #[test]
    fn the_witness_finds_a_change_that_leads_elsewhere() {
        let mut specs = Specs::new(true);
        let [spec, delta, _] = messages("another");
        specs.take(&spec).unwrap();
        assert_eq!(specs.take(&delta), Err(WrongOrder::Delta("firewall".to_owned())));
        assert!(specs.take(b"nonsense").is_err());
    }
}
