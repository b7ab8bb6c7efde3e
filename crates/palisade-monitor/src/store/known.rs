//! Names of series that were seen before: read once, and shared by the dictionaries of all hosts.

use crate::catalogue::{self, Metric};
use crate::model::SeriesKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Names in memory, about 200 bytes each; when there are more, those that no host uses go.
const NAMES_MAX: usize = 100_000;

/// A name of a series, read.
#[derive(Debug)]
pub struct Known {
    /// As it travels.
    pub text: Box<str>,
    /// What it says.
    pub key: SeriesKey,
    /// Its metric; `None` if this version has no such metric, or it has another label.
    pub metric: Option<&'static Metric>,
}

impl Known {
    fn parse(text: &str) -> Option<Known> {
        let key = SeriesKey::parse(text)?;
        let label = key.label.as_ref().map(|(label, _)| label.as_str());
        let metric = catalogue::metric(&key.name).filter(|metric| metric.label == label);
        Some(Known { text: text.into(), key, metric })
    }
}

/// Names that were seen before.
#[derive(Debug, Default)]
pub struct Names(RwLock<HashMap<Box<str>, Arc<Known>>>);

impl Names {
    /// The name that a host has sent and its metric, if it makes sense. What makes none is not
    /// remembered: a host could send any number of such names.
    pub fn sent(&self, text: &str) -> Option<(Arc<Known>, &'static Metric)> {
        let known = match self.kept(text) {
            Some(known) => known,
            None => self.keep(Known::parse(text).filter(|known| known.metric.is_some())?),
        };
        let metric = known.metric?;
        Some((known, metric))
    }

    /// A name from the database; it may be of a metric that this version no longer has.
    pub fn stored(&self, text: &str) -> Option<Arc<Known>> {
        self.kept(text).or_else(|| Known::parse(text).map(|known| self.keep(known)))
    }

    fn kept(&self, text: &str) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned()
    }

    fn keep(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.retain(|_, known| Arc::strong_count(known) > 1);
        }
        if names.len() < NAMES_MAX {
            names.insert(known.text.clone(), Arc::clone(&known));
        }
        known
    }
}
