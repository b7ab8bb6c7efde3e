//! The monitor guard from samples to answers, on trees of files and databases of the test's own.
#![allow(clippy::unwrap_used)]

mod alarm;
mod alarm_judge;
mod api;
mod cli;
mod frames;
mod live;
mod pack;
mod sampler;
mod series;
mod stored;
mod systems;
mod tend;
mod tree;

use std::path::Path;

#[test]
fn checks_say_what_their_goldens_expect() {
    palisade_guard::golden::checks(
        &palisade_monitor::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
