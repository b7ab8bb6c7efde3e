//! A short round of `cargo xtask fleet-sim chaos`: server and connections are killed, and nothing is
//! lost, no alarm is other than the samples say, and a webhook knows how things are.

use palisade_sim::scenario::{self, Scenario, Settings, Size};
use std::path::PathBuf;

#[test]
fn while_the_server_is_killed_no_record_is_lost_and_every_alarm_is_what_the_samples_say() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        println!("skipped: no network namespace: {why}");
        return;
    }
    let settings = Settings {
        palisade: PathBuf::from(env!("CARGO_BIN_EXE_palisade")),
        address: "127.0.0.1:8443".parse().unwrap(),
        size: Size {
            hosts: 12,
            series: 40,
            events_per_s: 40.0,
            minutes: 0,
            idle: 0,
            spec_hosts: 0,
            bans: 0,
            chaos: 20,
            step: 1,
            alarms: 0,
        },
    };
    // its threads begin in the namespace of this one
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(scenario::run(Scenario::Chaos, &settings)).unwrap();
    let measured = |what: &str| {
        let row = rows.iter().find(|row| row.what.starts_with(what)).unwrap();
        row.measured.split(' ').next().unwrap().to_owned()
    };
    assert_ne!(measured("in 20 s: servers killed"), "0");
    assert_ne!(measured("alarms by the frames"), "0");
    assert_ne!(measured("told;"), "0,");
}
