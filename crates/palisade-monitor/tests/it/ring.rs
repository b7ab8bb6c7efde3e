//! The ring: who did it, also when it is gone.

use crate::bench_host::{BEGIN_S, BenchHost, Proc};
use crate::tree::Tree;
use palisade_guard::Watch;
use palisade_monitor::limit::Level;
use palisade_monitor::ring::{RING_BYTES_MAX, Ring};
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::{Process, Sampler};
use serde_json::json;

#[test]
fn a_hog_that_is_gone_is_named_with_its_command_and_unit() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(62);
    let mut hog = Proc::new(4_711, "python3", BEGIN_S + 62);
    hog.who(&host.tree, "/usr/bin/python3 report.py --password=hunter2", "report.service");
    for _ in 0..4 {
        hog.cpu_ticks += 500;
        hog.put(&host.tree);
        host.pass_s(5);
    }
    hog.end(&host.tree);
    host.pass_s(60);
    let cause = host.cause("cpu_usage_ratio", 120);
    let first = &cause.processes[0];
    assert_eq!((first.process.pid, first.process.name.as_str()), (4_711, "python3"));
    assert_eq!(first.process.cmdline.as_deref(), Some("/usr/bin/python3 report.py --password=***"));
    assert_eq!(first.process.unit.as_deref(), Some("report.service"));
    assert_eq!(first.process.user.as_deref(), Some("www-data"));
    assert!(first.ended && first.process.cpu.unwrap() > 0.5 && first.cpu_max <= 2.0, "{first:?}");
    host.pass_s(2);
    let here = host.cause("cpu_usage_ratio", 120).processes.into_iter().find(|p| p.process.pid == 1);
    assert!(here.is_none_or(|p| !p.ended), "what still runs has not ended");
}

#[test]
fn the_metrics_of_its_steps_come_with_the_cause() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(300);
    let cause = host.cause("mem_usedPercent", 120);
    assert_eq!(cause.step_s, 5);
    let memory = &cause.metrics["memory_used_ratio"];
    assert!((23..=25).contains(&memory.len()), "{} steps", memory.len());
    assert!(memory.iter().all(|value| *value == Some(0.25)), "{memory:?}");
    assert!(cause.from >= host.wall() - jiff::SignedDuration::from_secs(120));
}

#[test]
fn each_metric_ranks_by_what_it_measures() {
    let mut host = BenchHost::new(Tree::new());
    let (mut writer, mut reader, mut eater) =
        (Proc::new(800, "writer", 900), Proc::new(801, "reader", 900), Proc::new(802, "eater", 900));
    eater.rss_pages = 500_000;
    for step in 1..=12_u64 {
        (writer.cpu_ticks, reader.cpu_ticks, eater.cpu_ticks) = (step * 10, step * 20, step * 300);
        writer.moved(&host.tree, 0, step * 100_000_000);
        reader.moved(&host.tree, step * 900_000_000, 0);
        eater.moved(&host.tree, 0, 0);
        [&writer, &reader, &eater].iter().for_each(|p| p.put(&host.tree));
        host.pass_s(5);
    }
    for (metric, name) in [
        ("cpu_usage_ratio", "eater"),
        ("load1", "eater"),
        ("memory_used_ratio", "eater"),
        ("disk_used_ratio{mount=\"/\"}", "writer"),
        ("disk_io_utilization_ratio", "reader"),
        ("pressure_io_some_ratio", "reader"),
        ("a\u{1b}[31m{nonsense", "eater"),
    ] {
        host.pass_s(2);
        let cause = host.cause(metric, 60);
        assert_eq!(cause.processes[0].process.name, name, "{metric}: {:?}", cause.processes);
    }
}

#[test]
fn a_flood_of_questions_is_answered_once_a_second_and_briefly() {
    let mut host = BenchHost::new(Tree::new());
    host.pass_s(1_000);
    host.sent();
    let from = host.wall() - jiff::SignedDuration::from_secs(86_400);
    for second in 0..10 {
        for n in 0..100 {
            let alarm = format!("{second}-{n}");
            host.sampling
                .asked(&json!({ "freeze": { "alarm": alarm, "metric": "load1", "from": from, "to": host.wall() } }));
        }
        host.pass_s(1);
    }
    let answers: Vec<_> = host.sent().into_iter().filter(|body| body["cause"].is_object()).collect();
    assert!((1..=11).contains(&answers.len()), "{}", answers.len());
    let longest = answers.iter().map(|body| body.to_string().len()).max().unwrap();
    println!("the longest answer has {longest} bytes");
    assert!(longest <= 64 << 10);
    assert_eq!(answers[0]["cause"]["metrics"]["load1"].as_array().unwrap().len(), 180);
}

#[test]
fn very_many_short_lived_processes_do_not_make_it_grow() {
    let tree = Tree::new();
    let mut sampler = Sampler::at(tree.path(), crate::tree::space).unwrap();
    let mut files = ProcessFiles::at(tree.path()).unwrap();
    let mut ring = Ring::default();
    for pid in 100..130 {
        let process = Proc::new(pid, "burst", 0);
        process.moved(&tree, if pid < 110 { 1 << 30 } else { 0 }, 0);
        process.who(&tree, &"x".repeat(256), "a-unit-with-a-name-of-some-length.service");
    }
    let mut sample = palisade_sys::sample::Sample::default();
    let mut most = 0;
    for step in 1..=120_u64 {
        // the same numbers are given to other processes every time
        for pid in 100..130 {
            let mut process = Proc::new(pid, "burst", step * 5);
            process.cpu_ticks = if pid < 120 { 1 } else { 100 };
            process.rss_pages = if (110..120).contains(&pid) { 9_999 } else { 9 };
            process.put(&tree);
        }
        sampler.take_processes(&mut sample);
        let rows: &[Process] = &sample.processes;
        let at = "2026-11-22T12:00:00Z".parse::<palisade_core::Timestamp>().unwrap()
            + jiff::SignedDuration::from_secs(step as i64 * 5);
        ring.list(at, step * 5_000_000_000, (rows, 64), &mut files, Level::Full);
        most = most.max(ring.bytes());
    }
    println!("{most} bytes at most");
    assert!(most > RING_BYTES_MAX * 9 / 10 && most <= RING_BYTES_MAX + 16_384, "{most}");
    let at = "2026-11-22T12:10:00Z".parse().unwrap();
    let cause = ring.cause("a", "cpu_usage_ratio", "2026-11-22T12:00:00Z".parse().unwrap(), at);
    assert_eq!(cause.processes.len(), 10);
    assert!(cause.processes.iter().all(|p| p.process.unit.is_some()));
}
