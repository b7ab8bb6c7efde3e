//! The frame on a real database file.
#![allow(clippy::unwrap_used)]

mod resource;
