//! The tests of the firewall guard.
#![allow(clippy::unwrap_used)]

mod allow_kind;
mod bans;
mod command;
mod draft;
mod exposure;
mod feed;
mod golden;
mod kernel;
mod local;
mod look;
mod packets;
mod plan;
mod reader;
mod sandbox;
mod server;
