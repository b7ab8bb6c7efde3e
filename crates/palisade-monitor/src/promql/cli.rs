//! `palisade monitor query …`.

use crate::cli::Verb;

/// The verbs.
pub const VERBS: &[Verb] = &[];
