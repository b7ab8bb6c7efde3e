//! What deciding costs when very much fires.

use super::{NOON_MS, at_ms, notice};
use palisade_monitor::notify::group::{SentAt, due};
use palisade_monitor::notify::roster::{Policy, Roster};
use palisade_monitor::notify::standing::{Standing, Standings};
use serde_json::json;

const NOTICES: usize = 10_000;

#[test]
fn ten_thousand_notices_of_a_thousand_hosts_are_judged_at_once() {
    let mut roster = Roster::default();
    let hook = json!({ "type": "webhook", "url": "https://example.org/" });
    roster.channels.insert("ops".to_owned(), serde_json::from_value(hook).unwrap());
    for n in 0..5 {
        let spec = json!({ "channels": ["ops"], "group_by": ["alertname", "host"], "match": { "labels": { "team": format!("=~t{n}.*") } } });
        roster.policies.push(Policy::of(&format!("p{n}"), serde_json::from_value(spec).unwrap()).unwrap());
    }
    let mut standings = Standings::new();
    for n in 0..NOTICES {
        let mut one = notice(&format!("alarm/{n}"), &format!("rule-{}", n % 10));
        one.host = Some(format!("web-{}", n / 10).parse().unwrap());
        one.labels.insert("team".to_owned(), format!("t{}", n % 5));
        standings.insert(one.key.clone(), Standing::new(one, at_ms(NOON_MS)));
    }
    let begun = std::time::Instant::now();
    let due = due(&standings, &roster, &SentAt::new(), at_ms(NOON_MS + 60_000));
    println!("{NOTICES} notices judged in {} ms", begun.elapsed().as_millis());
    let told: usize = due.flushes.iter().map(|flush| flush.firing.len()).sum();
    assert_eq!((told, due.flushes.len()), (NOTICES, NOTICES));
}
