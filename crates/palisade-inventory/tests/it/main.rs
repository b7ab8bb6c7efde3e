//! The inventory, against goldens, this machine, and a database.
#![allow(clippy::unwrap_used)]

mod history;
mod host;

use std::path::Path;

#[test]
fn every_check_says_what_its_goldens_say() {
    palisade_guard::golden::checks(
        &palisade_inventory::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
