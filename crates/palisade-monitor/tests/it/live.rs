//! On the machine that runs the tests: reads only.

use palisade_guard::{Host, Watch, WatchContext};
use palisade_monitor::model::Frame;
use palisade_monitor::watch::Sampling;
use palisade_sys::Root;
use palisade_sys::sample::{Sample, Sampler, TcpStates};
use serde::Deserialize;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

fn this_host() -> Host {
    Host { id: "this".parse().unwrap(), root: Root::live() }
}

/// Runs the watcher until `enough` frames of a kind have come, and returns them with the time it took.
fn watched(live: bool, enough: usize) -> (Vec<Frame>, Duration) {
    let frames: Arc<Mutex<Vec<Frame>>> = Arc::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (into, end) = (Arc::clone(&frames), Arc::clone(&ended));
    let begun = Instant::now();
    let emit = move |_, body: serde_json::Value| {
        let mut frames = into.lock().unwrap();
        frames.push(Frame::deserialize(&body).unwrap());
        if frames.iter().filter(|f| f.live == live).count() >= enough {
            end.store(true, Ordering::Relaxed);
        }
    };
    let (late, limit) = (Arc::clone(&ended), begun + LIMIT);
    let is_live = move || {
        late.fetch_or(Instant::now() > limit, Ordering::Relaxed);
        live
    };
    Sampling::default().watch(&this_host(), &WatchContext::new(emit, is_live, ended));
    let frames = frames.lock().unwrap().iter().filter(|f| f.live == live).cloned().collect();
    (frames, begun.elapsed())
}

#[test]
fn the_first_frame_does_not_wait_for_the_minute() {
    let (frames, took) = watched(false, 1);
    let frame = &frames[0];
    assert!(took < LIMIT, "{took:?}");
    assert!(frame.metrics.contains_key("cpu_usage_ratio") && frame.metrics.contains_key("memory_used_ratio"));
    assert!(!frame.by_memory.is_empty());
    let values: Vec<_> = (1..).zip(frame.metrics.values().copied()).collect();
    let packed = palisade_monitor::pack::pack_frame(frame.interval_s, &values).len();
    println!("{} series of this host take {packed} bytes", values.len());
}

#[test]
fn while_somebody_looks_on_a_frame_comes_every_second() {
    let (frames, _) = watched(true, 4);
    assert_eq!(frames.len(), 4);
    // how close to a second depends on what else the machine does; that it is no minute does not
    for pair in frames.windows(2) {
        assert!(pair[0].at < pair[1].at && pair[1].interval_s < 10.0, "{} then {}", pair[0].at, pair[1].at);
    }
}

#[test]
fn a_scratch_root_is_not_watched_nor_judged() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host { id: "image".parse().unwrap(), root: Root::scratch(dir.path()).unwrap() };
    let emit = |_, _| panic!("a frame of a scratch root");
    Sampling::default().watch(&host, &WatchContext::new(emit, || false, Arc::default()));
    let look = palisade_monitor::guard().observer.look(&host, "2026-11-22T12:00:00Z".parse().unwrap());
    assert_eq!((look.error, look.runs.len()), (None, 0));
}

#[test]
fn a_look_at_this_host_runs_every_check_and_two_looks_agree() {
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let entry = palisade_monitor::guard();
    let begun = Instant::now();
    let look = entry.observer.look(&this_host(), now);
    println!("one look took {:?}", begun.elapsed());
    assert_eq!(look.error, None);
    assert_eq!(look.runs.len(), entry.checks.len());
    assert_eq!(look.sections["filesystems"]["silent"], serde_json::Value::Null);
    let again = entry.observer.look(&this_host(), now);
    assert_eq!(look.sections["memory"], again.sections["memory"]);
    assert_eq!(look.sections["clock_synchronised"], again.sections["clock_synchronised"]);
}

#[test]
fn listeners_are_counted_and_a_new_network_namespace_is_noticed() {
    let mut sampler = Sampler::live().unwrap();
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    let Some(before) = sample.tcp_listening else {
        println!("skipped: the kernel does not answer sock_diag");
        return;
    };
    let namespace = || std::fs::read_link("/proc/thread-self/ns/net").ok();
    let outside = namespace();
    // SAFETY: only this thread, which ends with the test, moves to a namespace of its own.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        println!("skipped: no right to make a network namespace");
        return;
    }
    assert!(outside.is_some() && namespace().is_some() && outside != namespace(), "not in a namespace of its own");
    sampler.take_system(&mut sample);
    assert_eq!((sample.tcp_listening, sample.interfaces.len()), (Some(0), 0), "{before} before");
    let _listener = TcpListener::bind("0.0.0.0:0").unwrap();
    sampler.take_system(&mut sample);
    assert_eq!(sample.tcp_listening, Some(1));
}

#[test]
fn rare_states_of_tcp_are_counted_and_one_that_was_closed_by_the_other_side_waits() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        println!("skipped: {why}");
        return;
    }
    let mut sampler = Sampler::live().unwrap();
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    if sample.tcp_states.is_none() {
        println!("skipped: the kernel does not answer sock_diag");
        return;
    }
    assert_eq!(sample.tcp_states, Some(TcpStates::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    drop(client);
    let until = Instant::now() + LIMIT;
    while sample.tcp_states.is_none_or(|states| states.close_wait != 1 || states.fin_wait2 != 1) {
        assert!(Instant::now() < until, "{:?}", sample.tcp_states);
        sampler.take_system(&mut sample);
    }
    let frame = palisade_monitor::difference::frame(&sample, &sample, &mut |_| None);
    assert_eq!(frame.metrics["tcp_connections{state=\"close_wait\"}"], 1.0);
    assert_eq!(frame.metrics["tcp_connections{state=\"established\"}"], 0.0);
    assert_eq!(frame.metrics["tcp_connections{state=\"listen\"}"], 1.0);
    drop(server);
}

#[test]
fn a_sample_of_this_host_says_how_right_its_clock_is_and_whose_files_are_open() {
    let mut sampler = Sampler::live().unwrap();
    let (mut before, mut after) = (Sample::default(), Sample::default());
    for sample in [&mut before, &mut after] {
        sampler.take_system(sample);
        sampler.take_processes(sample);
    }
    assert!(after.wall_clock.is_some());
    let own = after.processes.iter().find(|p| p.pid == std::process::id()).unwrap();
    let files = sampler.detail(own).unwrap().open_files.unwrap();
    let listed = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    assert!(files.abs_diff(listed) <= 8, "{files} and {listed}");
}
