//! The frame on real database files: its tables, and resources.
#![allow(clippy::unwrap_used)]

mod database;
mod hosts;
mod old;
mod plans;
mod resource;
