//! The sampler's loop with clocks of the test's own: what comes when, whatever happens to the clock.

use crate::bench_host::{BEGIN_S, BenchHost, Proc};
use crate::tree::Tree;
use palisade_guard::{Host, Watch, WatchContext};
use palisade_monitor::limit::{Budget, Level};
use palisade_monitor::model::Frame;
use palisade_monitor::setting::SettingSpec;
use palisade_monitor::watch::Sampling;
use palisade_sys::Root;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn every(interval_s: u32) -> SettingSpec {
    SettingSpec { interval_s, ..SettingSpec::default() }
}

#[test]
fn a_frame_comes_every_minute_and_says_what_it_stands_for() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(600);
    let frames = host.frames();
    assert_eq!(frames.len(), 11, "one at once, then ten minutes");
    for frame in &frames[2..] {
        assert_eq!((frame.step_s, frame.interval_s.round()), (60, 60.0), "at {}", frame.at);
        assert!(frame.metrics.contains_key("memory_used_ratio") && frame.metrics.contains_key("process_count"));
        assert_eq!(frame.metrics["agent_limit_step"], 0.0);
        assert!(!frame.by_memory.is_empty());
    }
    let seconds: Vec<i64> = frames[1..].iter().map(|f| f.at.as_second().rem_euclid(60)).collect();
    assert!(seconds.windows(2).all(|pair| pair[0] == pair[1]), "{seconds:?}");
}

#[test]
fn another_interval_is_in_force_at_once() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(70);
    host.frames();
    host.settings.put(&every(1)).unwrap();
    assert!(host.round.is_woken());
    host.pass_s(30);
    let frames = host.frames();
    assert!((29..=31).contains(&frames.len()), "{}", frames.len());
    assert!(frames.iter().all(|f| f.step_s == 1 && f.metrics.contains_key("process_count")));
    let slots: std::collections::BTreeSet<i64> = frames.iter().map(|f| f.at.as_second()).collect();
    assert_eq!(slots.len(), frames.len(), "each falls into a second of its own");
    host.settings.put(&every(30)).unwrap();
    host.pass_s(120);
    let frames = host.frames();
    assert!((4..=5).contains(&frames.len()), "{}", frames.len());
    assert_eq!(frames.last().unwrap().step_s, 30);
}

#[test]
fn a_clock_that_is_set_back_or_forward_stops_no_frame() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(300);
    host.frames();
    for jump_s in [-86_400, 86_400 * 400, -3_600, 7, -7] {
        host.set_clock_by_s(jump_s);
        host.pass_s(300);
        let frames = host.frames();
        assert!((4..=6).contains(&frames.len()), "{} frames in five minutes after {jump_s} s", frames.len());
        for frame in frames {
            assert!((29.0..=91.0).contains(&frame.interval_s), "{} s after {jump_s} s", frame.interval_s);
            assert_eq!(frame.metrics["agent_rejected_values"], 0.0);
        }
    }
}

#[test]
fn counters_that_fall_and_numbers_given_anew_make_no_spike() {
    let mut host = BenchHost::new(Tree::new());
    let mut process = Proc::new(700, "worker", BEGIN_S - 900);
    process.cpu_ticks = 90_000;
    process.put(&host.tree);
    host.pass_s(130);
    // the same number, another process, whose counter stands lower; and a disk that was made anew
    process = Proc::new(700, "other", BEGIN_S + 125);
    process.cpu_ticks = 20;
    process.put(&host.tree);
    host.tree.write("proc/diskstats", " 254 0 vda 1 0 8 5 2 0 16 4 0 6 9 0 0 0 0 0 0\n");
    host.frames();
    host.pass_s(60);
    let frames = host.frames();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].by_cpu.iter().all(|p| p.cpu.unwrap_or(0.0) < 0.1), "{:?}", frames[0].by_cpu);
    assert!(!frames[0].metrics.contains_key("disk_io_write_bytes_rate{device=\"vda\"}"));
    assert!(frames[0].metrics["agent_rejected_values"] > 0.0);
}

#[test]
fn while_somebody_looks_on_frames_of_a_second_come_besides() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(20);
    host.sent();
    host.live.store(true, Ordering::Relaxed);
    host.pass_s(30);
    let sent = host.sent();
    let live: Vec<&Value> = sent.iter().filter(|body| body["live"] == true).collect();
    assert!((28..=31).contains(&live.len()), "{}", live.len());
    assert!(live.iter().all(|body| body["step_s"] == 1 && body["by_memory"][0]["pid"].is_number()));
    host.live.store(false, Ordering::Relaxed);
    host.pass_s(30);
    assert!(host.sent().iter().all(|body| body["live"] != true));
}

/// A tree with so many processes, written once.
fn crowd(count: u32) -> Tree {
    let tree = Tree::in_memory();
    for pid in 1_000..1_000 + count {
        Proc::new(pid, "sleeper", 500).put(&tree);
    }
    tree
}

#[test]
fn twenty_thousand_processes_make_it_do_less_and_no_system_sample_is_lost() {
    // a tenth of the published budget, so that it is too much on a fast machine too
    let budget = Budget { cpu_ratio: 0.001, own_cpu_ratio: 0.0005, ..Budget::default() };
    let mut host = BenchHost::with_budget(crowd(20_000), budget);
    host.pass_s(60);
    let count = host.frames().last().unwrap().metrics["process_count"];
    assert_eq!(count, 20_002.0);
    println!("{} bytes held with 20,002 processes", host.round.bytes());
    host.pass_s(300);
    let frames = host.frames();
    let steps: Vec<f64> = frames.iter().map(|f| f.metrics["agent_limit_step"]).collect();
    println!("steps by minute: {steps:?}");
    assert_eq!((frames.len(), host.round.level()), (5, Level::SystemOnly), "{steps:?}");
    assert!(steps.is_sorted() && steps[0] < 4.0, "{steps:?}");
    for frame in &frames {
        assert!(frame.metrics.contains_key("memory_used_ratio") && frame.metrics.contains_key("load1"));
    }
    let last = frames.last().unwrap();
    assert!(!last.metrics.contains_key("process_count") && last.by_memory.is_empty(), "what is not read is not said");
    // they have ended: after a calm while all is read again
    std::fs::remove_dir_all(host.tree.path().join("proc")).unwrap();
    crate::tree::FILES.iter().for_each(|(path, text)| host.tree.write(path, text));
    host.pass_s(4 * 400);
    assert!(host.round.level() < Level::SystemOnly, "{:?}", host.round.level());
}

#[test]
fn a_question_is_answered_by_the_running_loop_within_moments() {
    let sampling = Sampling::default();
    let host = Host { id: "this".parse().unwrap(), root: Root::live() };
    let ended = Arc::new(AtomicBool::new(false));
    let (sender, sent) = mpsc::channel::<Value>();
    let context = WatchContext::new(move |_, body| _ = sender.send(body), || false, Arc::clone(&ended));
    let watcher = sampling.clone();
    let thread = std::thread::spawn(move || watcher.watch(&host, &context));
    let limit = Duration::from_secs(20);
    let first: Frame = serde_json::from_value(sent.recv_timeout(limit).unwrap()).unwrap();
    sampling
        .asked(&json!({ "freeze": { "alarm": "a-7", "metric": "cpu_usage_ratio", "from": first.at, "to": first.at } }));
    let asked = std::time::Instant::now();
    let answer = sent.recv_timeout(limit).unwrap();
    let took = asked.elapsed();
    ended.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    assert_eq!(answer["cause"]["alarm"], "a-7", "{answer}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
