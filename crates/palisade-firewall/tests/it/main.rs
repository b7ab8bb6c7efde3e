//! The tests of the firewall guard.
#![allow(clippy::unwrap_used)]

mod allow_kind;
mod bans;
mod command;
mod draft;
mod exposure;
mod filtered;
mod filtered_linear;
mod filters;
mod golden;
mod interpreter;
mod kernel;
mod local;
mod look;
mod meaning;
mod packets;
mod plan;
mod reader;
mod sandbox;
mod server;
mod simulate;
