//! Alarms and their notifications when what judges, sends or samples is killed.

use crate::fleet::{Fleet, Member};
use crate::receiver::Receiver;
use crate::running::until;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// A host with a rule that fires while a certain program runs on it.
struct Watch {
    fleet: Fleet,
    member: Member,
    receiver: Receiver,
    program: PathBuf,
    _work: tempfile::TempDir,
}

impl Watch {
    fn start() -> Result<Watch, String> {
        let fleet = Fleet::start()?;
        let mut member = fleet.join(0, "db-1", &[]);
        member.run();
        fleet.wait_for("db-1", "online");
        let (receiver, work) = (Receiver::http(), tempfile::tempdir().unwrap());
        let name = format!("pal-{}", std::process::id());
        let program = work.path().join(&name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        apply(&fleet, &documents(&name, &receiver));
        let watch = Watch { fleet, member, receiver, program, _work: work };
        until("none runs", || watch.running() == Some(0.0));
        Ok(watch)
    }

    /// The trouble, until it is killed.
    fn trouble(&self) -> Child {
        Command::new(&self.program).arg("600").spawn().unwrap()
    }

    fn running(&self) -> Option<f64> {
        let answer = self.fleet.server().json(&["monitor", "query", "watch_processes{watch=\"trouble\"}"]);
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    fn alarms(&self) -> Vec<Value> {
        let all = self.fleet.server().json(&["monitor", "alarm", "list", "--state", "all", "--rule", "trouble"]);
        all["items"].as_array().unwrap().clone()
    }

    fn is(&self, state: &str) -> bool {
        self.alarms().first().is_some_and(|alarm| alarm["state"] == state)
    }

    fn keys(&self, status: &str) -> usize {
        self.receiver.keys("trouble", "db-1", status).len()
    }

    /// Waits until the newest alarm was told so often in all, counted by the key of the message.
    fn told(&self, status: &str, times: usize) {
        until(&format!("it is told {times} times as {status}"), || self.keys(status) >= times);
        assert_eq!(self.keys(status), times, "{status}: {:#?}", self.receiver.messages());
    }
}

fn apply(fleet: &Fleet, documents: &str) {
    let file = fleet.server().dir.path().join("documents.yaml");
    std::fs::write(&file, documents).unwrap();
    fleet.server().ok(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn documents(program: &str, receiver: &Receiver) -> String {
    format!(
        r#"
kind: NotificationChannel
name: hook
spec: {{ type: webhook, url: "http://{}/", allow_private: true }}
---
kind: NotificationPolicy
name: all
spec: {{ match: {{}}, channels: [hook], group_by: [alertname, host], group_wait: 0s, group_interval: 1s }}
---
kind: Sampling
name: fast
spec: {{ scope: {{ hosts: [db-1] }}, interval: 1s }}
---
kind: ProcessWatch
name: trouble
spec: {{ scope: {{ hosts: [db-1] }}, name: {program} }}
---
kind: AlarmRule
name: trouble
spec:
  scope: {{ hosts: [db-1] }}
  no_data: {{ after: 5s, treat: keep }}
  policies:
    - {{ metric: watch_processes, labels: {{ watch: trouble }}, statistic: latest, operator: ">", threshold: 0, count: 2, of: 2 }}
"#,
        receiver.address
    )
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_server_killed_around_an_alarm_tells_it_once_as_firing_and_once_as_resolved() {
    let mut watch = match Watch::start() {
        Ok(watch) => watch,
        Err(why) => return println!("skipped: {why}"),
    };
    // before the message could go: it waits in the database
    watch.receiver.set_away(true);
    let trouble = watch.trouble();
    until("it fires", || watch.is("firing"));
    watch.fleet.restart_with(|_| {});
    watch.receiver.set_away(false);
    watch.told("firing", 1);
    // after it went
    watch.fleet.restart_with(|_| {});
    end(trouble);
    watch.told("resolved", 1);
    // while it is being judged and sent, both when it begins and when it ends
    for (round, delay_ms) in (2..).zip([700, 1_900, 3_100]) {
        let trouble = watch.trouble();
        std::thread::park_timeout(Duration::from_millis(delay_ms));
        watch.fleet.restart_with(|_| {});
        watch.told("firing", round);
        end(trouble);
        std::thread::park_timeout(Duration::from_millis(delay_ms));
        watch.fleet.restart_with(|_| {});
        watch.told("resolved", round);
    }
    assert_eq!((watch.keys("firing"), watch.keys("resolved")), (4, 4), "{:#?}", watch.receiver.messages());
    assert_eq!(watch.alarms().len(), 4);
}

#[test]
fn an_alarm_whose_agent_was_killed_goes_on_firing_without_data_and_ends_when_samples_show_it() {
    let mut watch = match Watch::start() {
        Ok(watch) => watch,
        Err(why) => return println!("skipped: {why}"),
    };
    let trouble = watch.trouble();
    watch.told("firing", 1);
    watch.member.end(Signal::SIGKILL);
    end(trouble);
    until("it is called stale", || watch.alarms().first().is_some_and(|alarm| alarm["stale"] == true));
    watch.fleet.wait_for("db-1", "killed");
    watch.fleet.restart_with(|_| {});
    assert!(watch.is("firing"), "{:#?}", watch.alarms());
    assert_eq!(watch.keys("resolved"), 0, "{:#?}", watch.receiver.messages());
    watch.member.run();
    watch.told("resolved", 1);
    assert!(watch.is("resolved"));
    assert_eq!((watch.keys("firing"), watch.alarms().len()), (1, 1), "{:#?}", watch.receiver.messages());
}
