//! The tests of the firewall guard.
#![allow(clippy::unwrap_used)]

mod allow_kind;
mod bans;
mod command;
mod draft;
mod exposure;
mod feed;
mod filtered;
mod filtered_linear;
mod filters;
mod fleet_exposure;
mod golden;
mod groups;
mod interpreter;
mod kernel;
mod lacking;
mod local;
mod look;
mod meaning;
mod owner;
mod packets;
mod plan;
mod predicted;
mod published;
mod reader;
mod resolved;
mod sandbox;
mod server;
mod simulate;
mod stream;
mod text;
mod uncut;
mod watch;
mod wired;
