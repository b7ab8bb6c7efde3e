//! The upgrade guard from outside: goldens, whole hosts, API.

#![allow(clippy::unwrap_used)]

mod api;
mod hosts;

use std::path::Path;

#[test]
fn every_check_says_what_its_goldens_expect() {
    palisade_guard::golden::checks(
        &palisade_upgrade::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
