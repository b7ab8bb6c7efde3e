//! The journal from outside: goldens, whole hosts, the event store, the API.

#![allow(clippy::unwrap_used)]

mod api;
mod hosts;
mod ingest;
mod server;
mod store;

use std::path::Path;

#[test]
fn every_check_says_what_its_goldens_expect() {
    palisade_guard::golden::checks(
        &palisade_journal::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
