//! The fleet as the API shows it: in-process, on a real database file.
#![allow(clippy::unwrap_used)]

mod app;
mod figures;
