//! Simulated hosts against a server in this process that is honest, or not.

#![allow(clippy::unwrap_used)]

mod counting;
mod fake;
