//! Questions of the server that wait for the sampler's thread. The server may be in hostile hands:
//! what makes no sense or is too much is passed over.

use crate::model::Asked;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Questions that wait; more are passed over.
const WAITING_MAX: usize = 16;
/// The longest name in a question, in bytes.
const TEXT_BYTES_MAX: usize = 300;

/// Questions that wait.
#[derive(Debug, Default)]
pub struct Questions(Mutex<VecDeque<Asked>>);

impl Questions {
    /// Takes a question; false if it is passed over.
    pub fn put(&self, body: &Value) -> bool {
        let Ok(Asked::Freeze { alarm, metric, from, to }) = Asked::deserialize(body) else { return false };
        if alarm.len() > TEXT_BYTES_MAX || metric.len() > TEXT_BYTES_MAX || from > to {
            return false;
        }
        let question = Asked::Freeze { alarm, metric, from, to };
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX || waiting.contains(&question) {
            return false;
        }
        waiting.push_back(question);
        true
    }

    /// The oldest one.
    pub fn take(&self) -> Option<Asked> {
        self.lock().pop_front()
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(alarm: &str) -> Value {
        json!({ "freeze": { "alarm": alarm, "metric": "load1", "from": "2026-11-22T12:00:00Z", "to": "2026-11-22T12:05:00Z" } })
    }

    #[test]
    fn hostile_questions_are_passed_over() {
        let questions = Questions::default();
        let backwards = json!({ "freeze": { "alarm": "a", "metric": "m", "from": "2026-11-22T12:00:00Z", "to": "2026-11-22T11:00:00Z" } });
        for body in [Value::Null, json!({ "run": "x" }), json!([1]), question(&"x".repeat(301)), backwards] {
            assert!(!questions.put(&body), "{body}");
        }
        assert!(questions.is_empty());
        let taken = (0..100).filter(|n| questions.put(&question(&n.to_string()))).count();
        assert_eq!(taken, WAITING_MAX);
        assert!(questions.take().is_some());
        assert!(!questions.put(&question("1")), "it waits already");
    }
}
