//! The monitor guard from samples to answers, on trees of files and databases of the test's own.
#![allow(clippy::unwrap_used)]

mod agentless;
mod alarm;
mod alarm_judge;
mod alarm_past;
mod api;
mod bench_host;
mod cli;
mod containers;
mod cover;
mod forgotten;
mod frames;
mod hardware;
mod live;
mod looks;
mod notify;
mod outside;
mod pack;
mod probes;
mod processes;
mod promql_api;
mod promql_prometheus;
mod promql_samples;
mod ring;
mod sampler;
mod series;
mod server_watch;
mod setting;
mod store;
mod stored;
mod systems;
mod tend;
mod tree;
mod turns;
mod watches;

use std::path::Path;

#[test]
fn checks_say_what_their_goldens_expect() {
    palisade_guard::golden::checks(
        &palisade_monitor::guard(),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")),
    );
}
