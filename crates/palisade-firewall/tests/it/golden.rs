//! Every check says what its goldens say.

use std::path::Path;

#[test]
fn every_check_says_what_its_goldens_say() {
    palisade_guard::golden::checks(
        &palisade_firewall::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
