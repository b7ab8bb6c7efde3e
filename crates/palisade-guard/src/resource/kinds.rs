//! All kinds, found by name and in the order in which they are put.

use crate::Kind;
use crate::api::ApiError;
use crate::kind::nearest;
use std::sync::Arc;

/// All kinds; each stands behind those that it refers to.
pub struct Kinds(Vec<Arc<dyn Kind>>);

impl Kinds {
    /// Puts the kinds in order; kinds that refer to each other in a circle keep their places.
    pub fn new(mut left: Vec<Arc<dyn Kind>>) -> Kinds {
        let mut ordered: Vec<Arc<dyn Kind>> = Vec::new();
        while !left.is_empty() {
            let ready = |kind: &Arc<dyn Kind>| !kind.after().iter().any(|name| left.iter().any(|k| k.name() == *name));
            let next = left.iter().position(ready).unwrap_or(0);
            ordered.push(left.remove(next));
        }
        Kinds(ordered)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<dyn Kind>> {
        self.0.iter()
    }

    /// The kind of this name or plural, without regard to case and hyphens.
    pub fn find(&self, word: &str) -> Result<&dyn Kind, ApiError> {
        let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
        let wanted = plain(word);
        if let Some(kind) = self.0.iter().find(|k| plain(k.name()) == wanted || plain(k.plural()) == wanted) {
            return Ok(kind.as_ref());
        }
        let shown: String = word.chars().take(80).flat_map(char::escape_default).collect();
        let error = ApiError::not_found(format!("a kind `{shown}`"));
        Err(match nearest(word, self.0.iter().map(|k| k.name())) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error.hint(format!("the kinds are {}", self.names())),
        })
    }

    /// The place of a kind in the order.
    pub(super) fn place(&self, kind: &dyn Kind) -> usize {
        self.0.iter().position(|k| k.name() == kind.name()).unwrap_or(self.0.len())
    }

    fn names(&self) -> String {
        self.0.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ")
    }
}
