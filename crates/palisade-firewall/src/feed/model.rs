//! One entry of the feed, as it travels and as it is stored.

use crate::ruleset::Until;
use palisade_core::Cidr;
use serde::{Deserialize, Serialize};

/// How an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Shut out.
    #[default]
    Banned,
    /// Let in again by somebody: it is no longer shut out, and nor is a network that holds it.
    Released,
    /// Given up to make room.
    Dropped,
}

impl State {
    /// As the database has it.
    pub fn number(self) -> i64 {
        match self {
            State::Banned => 0,
            State::Released => 1,
            State::Dropped => 2,
        }
    }

    /// From the database; anything unknown holds nobody off.
    pub fn of(number: i64) -> State {
        match number {
            0 => State::Banned,
            1 => State::Released,
            _ => State::Dropped,
        }
    }
}

/// How one entry is from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which address or network.
    pub cidr: Cidr,
    /// Until when, in milliseconds since 1970; null is until it is released.
    pub until: Until,
    /// How it stands.
    #[serde(default, skip_serializing_if = "is_banned")]
    pub state: State,
}

fn is_banned(state: &State) -> bool {
    *state == State::Banned
}
