//! `palisade monitor alarm …` and `palisade monitor backtest …`.

use crate::cli::Verb;

/// The verbs.
pub const VERBS: &[Verb] = &[];
