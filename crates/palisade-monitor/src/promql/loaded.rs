//! The samples that a query is evaluated over. Evaluation knows nothing of where they came from.

use super::labels::Labels;
use super::need::{Need, look_back_ms};
use super::value::Point;
use std::collections::HashMap;
use std::sync::Arc;

/// One series as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is.
    pub labels: Labels,
    /// Its samples, rising.
    pub points: Vec<Point>,
}

/// The series of one selector.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// By labels.
    pub series: Arc<Vec<Series>>,
    /// How far back the newest sample may lie that still counts.
    pub look_back_ms: i64,
}

/// The series of each selector of a query.
#[derive(Debug, Clone, Default)]
pub struct Loaded(HashMap<String, Selected>);

impl Loaded {
    /// Adds what was read for a need.
    pub fn put(&mut self, key: String, need: &Need<'_>, mut series: Vec<Series>) {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.0.insert(key, Selected { series: Arc::new(series), look_back_ms: look_back_ms(need.tier) });
    }

    /// What was read for a selector; nothing if nothing was.
    pub fn get(&self, key: &str) -> Selected {
        self.0.get(key).cloned().unwrap_or_default()
    }
}
