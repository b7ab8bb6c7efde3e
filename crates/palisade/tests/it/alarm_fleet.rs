//! Many hosts that fall silent at once are one message, not many.

use crate::fleet::{Fleet, Member};
use crate::receiver::Receiver;
use crate::running::until;
use serde_json::Value;
use std::collections::BTreeSet;

const HOSTS: usize = 9;

/// The hosts that the messages about silent hosts name in this state, message by message.
fn told(receiver: &Receiver, status: &str) -> Vec<BTreeSet<String>> {
    let of = |body: &Value| {
        let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
        let meant = alerts.iter().filter(|a| a["status"] == status && a["labels"]["alertname"] == "basics-host-silent");
        meant.map(|a| a["labels"]["host"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    receiver.messages().iter().map(|(_, body)| of(body)).filter(|hosts| !hosts.is_empty()).collect()
}

#[test]
fn a_third_of_the_hosts_cut_off_at_once_is_told_once_and_their_other_alarms_are_hidden() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let receiver = Receiver::http();
    let members: Vec<Member> = (0..HOSTS)
        .map(|n| {
            let mut member = fleet.join(n, &format!("node-{n}"), &[]);
            member.run();
            member
        })
        .collect();
    members.iter().for_each(|member| fleet.wait_for(&member.name, "online"));
    let file = fleet.server().dir.path().join("documents.yaml");
    let documents = format!(
        r#"
kind: NotificationChannel
name: hook
spec: {{ type: webhook, url: "http://{}/", allow_private: true }}
---
kind: Sampling
name: fast
spec: {{ scope: {{}}, interval: 1s }}
---
kind: AlarmRule
name: samples-missing
spec:
  severity: high
  settle: 50s
  no_data: {{ after: 5s, treat: alarm }}
  policies:
    - {{ metric: uptime_seconds, statistic: latest, operator: "<", threshold: 0, count: 1 }}
"#,
        receiver.address
    );
    std::fs::write(&file, documents).unwrap();
    fleet.server().ok(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    fleet.server().ok(&["monitor", "alarm", "basics", "on"]);
    until("every host is judged", || {
        let rules = fleet.server().json(&["monitor", "alarm", "rules"]);
        let rule = rules["items"].as_array().unwrap().iter().find(|r| r["name"] == "samples-missing").cloned();
        rule.is_some_and(|rule| rule["ok"].as_u64() > Some(HOSTS as u64))
    });

    let cut: Vec<&Member> = members.iter().step_by(3).collect();
    let names: BTreeSet<String> = cut.iter().map(|member| member.name.clone()).collect();
    cut.iter().for_each(|member| member.peer.set_link(false).unwrap());
    cut.iter().for_each(|member| fleet.wait_for(&member.name, "unreachable"));
    until("all are told of", || told(&receiver, "firing").iter().flatten().cloned().collect::<BTreeSet<_>>() == names);
    assert_eq!(told(&receiver, "firing").as_slice(), std::slice::from_ref(&names), "{:#?}", receiver.messages());
    let alarms = fleet.server().json(&["monitor", "alarm", "list", "--rule", "samples-missing"]);
    let hidden = |alarm: &&Value| alarm["inhibited_by"].is_string() && alarm["notified"].as_array().unwrap().is_empty();
    let alarms = alarms["items"].as_array().unwrap();
    assert_eq!((alarms.len(), alarms.iter().filter(hidden).count()), (3, 3), "{alarms:#?}");

    cut.iter().for_each(|member| member.peer.set_link(true).unwrap());
    cut.iter().for_each(|member| fleet.wait_for(&member.name, "online"));
    for name in &names {
        until("what it had besides is over", || {
            let args = ["monitor", "alarm", "list", "--rule", "samples-missing", "--host", name];
            let open = fleet.server().json(&args);
            open["total"] == 0
        });
    }
    let hook = &fleet.server().json(&["monitor", "channel", "list"])["items"][0];
    assert_eq!(hook["dead"], 0, "{hook}");
    for name in &names {
        for status in ["firing", "resolved"] {
            assert!(receiver.keys("samples-missing", name, status).is_empty(), "{name}: {:#?}", receiver.messages());
        }
    }
}
