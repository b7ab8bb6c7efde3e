//! The frame's own tables, on real database files.
#![allow(clippy::unwrap_used)]

mod database;
mod hosts;
mod old;
mod plans;
