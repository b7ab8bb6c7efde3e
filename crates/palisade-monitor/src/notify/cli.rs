//! `palisade monitor channel …` and `palisade monitor delivery …`.

use crate::cli::Verb;

/// The verbs.
pub const VERBS: &[Verb] = &[];
