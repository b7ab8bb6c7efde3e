//! The tests of the firewall guard.
#![allow(clippy::unwrap_used)]

mod allow_kind;
mod bans;
mod command;
mod draft;
mod exposure;
mod fleet_exposure;
mod golden;
mod kernel;
mod local;
mod look;
mod packets;
mod plan;
mod published;
mod reader;
mod sandbox;
mod server;
