//! The labels of a series, `__name__` among them.

use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

/// Label and value, by label; none is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The value of a label; empty if it is absent, which is the same in PromQL.
    pub fn get(&self, label: &str) -> &str {
        self.0.get(label).map_or("", String::as_str)
    }

    /// Sets a label; an empty value takes it away.
    pub fn set(&mut self, label: &str, value: impl Into<String>) {
        let value = value.into();
        if value.is_empty() {
            self.0.remove(label);
        } else {
            self.0.insert(label.to_owned(), value);
        }
    }

    /// Without the metric's name.
    pub fn nameless(mut self) -> Labels {
        self.0.remove(NAME);
        self
    }

    /// Only these.
    pub fn only(&self, labels: &HashSet<&str>) -> Labels {
        let kept = self.0.iter().filter(|(label, _)| labels.contains(label.as_str()));
        Labels(kept.map(|(label, value)| (label.clone(), value.clone())).collect())
    }

    /// All but these.
    pub fn without(&self, labels: &HashSet<&str>) -> Labels {
        let kept = self.0.iter().filter(|(label, _)| !labels.contains(label.as_str()));
        Labels(kept.map(|(label, value)| (label.clone(), value.clone())).collect())
    }

    /// Label and value, by label.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(label, value)| (label.as_str(), value.as_str()))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Labels {
        let mut labels = Labels::default();
        pairs.into_iter().for_each(|(label, value)| labels.set(label, value));
        labels
    }
}

/// True for what may be the name of a label.
pub fn is_label(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().all(sound) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.get(NAME))?;
        let rest: Vec<String> =
            self.iter().filter(|(label, _)| *label != NAME).map(|(l, v)| format!("{l}={v:?}")).collect();
        if rest.is_empty() && !self.get(NAME).is_empty() { Ok(()) } else { write!(f, "{{{}}}", rest.join(", ")) }
    }
}
