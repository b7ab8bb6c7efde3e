//! The access guard against goldens, whole scratch roots, and the running host.
#![allow(clippy::unwrap_used)]

mod checks;
mod hostile;
mod scratch;
