//! `palisade monitor probe …` and `palisade monitor agentless …`.

use crate::cli::Verb;

/// The verbs.
pub const VERBS: &[Verb] = &[];
