//! Whether the table belongs to the keeper's own socket, so that no other process changes it.

use crate::ruleset::OWN;
use palisade_sys::SysError;
use palisade_sys::nft::{Batch, Family, TableName, Writer};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Whose the table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Owning {
    /// Everybody's who may change nftables at all: so it was asked for.
    #[default]
    Off,
    /// The keeper's alone.
    Own,
    /// Everybody's, because the kernel refused; why.
    Refused(String),
}

impl fmt::Display for Owning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owning::Off => f.write_str("plain: other processes may change it, which is repaired"),
            Owning::Own => f.write_str("own: no other process can change or flush it"),
            Owning::Refused(why) => write!(f, "plain, because this kernel keeps no table for a process ({why})"),
        }
    }
}

/// Tries it with a table of another name; nothing is changed.
pub(super) fn probe(writer: &mut Writer) -> Result<Owning, SysError> {
    let mut batch = Batch::new();
    batch.add_table_with(&TableName { family: Family::Inet, name: format!("palisade_probe_{}", writer.port()) }, OWN);
    Ok(match writer.refusal_of(batch)? {
        None => Owning::Own,
        Some(error) => Owning::Refused(palisade_guard::contract::chain(&error)),
    })
}

/// What the keeper of this process found: it shares nothing else with what tells of it.
static TOLD: Mutex<Option<Owning>> = Mutex::new(None);

pub(super) fn tell(owning: &Owning) {
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(owning.clone());
}

/// Whose the table of this process's keeper is; `None` before there is one.
pub fn owning() -> Option<Owning> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
