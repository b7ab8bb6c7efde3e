//! The fleet as the API shows it: in-process, on a real database file.
#![allow(clippy::unwrap_used)]

mod app;
mod clones;
mod figures;
mod hosts;
mod plans;
