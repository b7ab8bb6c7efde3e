//! What stood out, now and in a minute of the past.

use crate::stored::{NOON, Stored, at, host};
use crate::tree::{Tree, sample};
use palisade_monitor::difference;
use palisade_monitor::model::{Frame, TopProcess};
use palisade_monitor::process;

fn frame(at_s: i64, hog: u32) -> Frame {
    let top = |pid: u32, cpu: f64| TopProcess {
        pid,
        name: format!("worker-{pid}"),
        user: Some("www-data".to_owned()),
        cmdline: Some(format!("/usr/sbin/worker --id={pid} --config=/etc/worker/{pid}.conf")),
        cpu: Some(cpu),
        rss_bytes: u64::from(pid) * 1_048_576 + (at_s as u64 % 977) * 4_096,
        unit: Some("worker.service".to_owned()),
        ..TopProcess::default()
    };
    let share = (at_s % 89) as f64 / 100.0;
    Frame {
        at: at(at_s),
        interval_s: 60.0,
        by_cpu: (hog..hog + 10).map(|pid| top(pid, share)).collect(),
        by_memory: (1..11).map(|pid| top(pid, share / 7.0)).collect(),
        by_io: vec![top(hog, share)],
        ..Frame::default()
    }
}

async fn put(stored: &Stored, frames: impl IntoIterator<Item = Frame>) {
    let mut tx = stored.db.begin().await.unwrap();
    for frame in frames {
        process::put(&mut tx, &host(), &frame).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn tend(stored: &Stored, now_s: i64) {
    let mut tx = stored.db.begin().await.unwrap();
    process::tend(&mut tx, at(now_s)).await.unwrap();
    tx.commit().await.unwrap();
}

/// The pid that used the most CPU time then.
async fn hog(stored: &Stored, at_s: i64) -> Option<u32> {
    let mut db = stored.db.read().acquire().await.unwrap();
    let minute = process::at_minute(&mut db, &host(), at_s).await.unwrap()?;
    minute.list(&minute.by_cpu).next().map(|process| process.pid)
}

#[tokio::test]
async fn a_minute_of_the_past_is_found_before_and_after_its_hour_is_put_together() {
    let stored = Stored::new().await;
    put(&stored, (0..120).map(|n| frame(NOON + n * 60 + 17, 100 + n as u32))).await;
    for _ in 0..2 {
        assert_eq!(hog(&stored, NOON).await, Some(100));
        assert_eq!(hog(&stored, NOON + 59 * 60 + 30).await, Some(159));
        assert_eq!(hog(&stored, NOON + 60 * 60).await, Some(160));
        assert_eq!(hog(&stored, NOON + 119 * 60 + 59).await, Some(219));
        assert_eq!(hog(&stored, NOON + 124 * 60).await, Some(219), "the newest of five minutes before");
        assert_eq!(hog(&stored, NOON + 125 * 60).await, None);
        assert_eq!(hog(&stored, NOON - 60).await, None);
        tend(&stored, NOON + 7_200 + 600).await;
    }
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_process").await, 0);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_process_hour").await, 2);
    let bytes = stored.count("SELECT SUM(LENGTH(body)) FROM monitor_process_hour").await;
    println!("a minute of 20 processes takes {} bytes", bytes / 120);
    assert!(bytes / 120 < 1_000, "{bytes}");
}

#[tokio::test]
async fn the_hour_that_runs_is_left_alone_and_late_minutes_join_theirs() {
    let stored = Stored::new().await;
    put(&stored, [frame(NOON + 17, 100), frame(NOON + 137, 102)]).await;
    tend(&stored, NOON + 3_600 + 599).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_process").await, 2);
    tend(&stored, NOON + 3_600 + 600).await;
    put(&stored, [frame(NOON + 77, 101), frame(NOON + 17, 200)]).await;
    tend(&stored, NOON + 3_600 + 660).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_process").await, 0);
    let found = [hog(&stored, NOON + 59).await, hog(&stored, NOON + 60).await, hog(&stored, NOON + 120).await];
    assert_eq!(found, [Some(200), Some(101), Some(102)]);
}

#[tokio::test]
async fn lists_go_after_15_days_and_those_of_a_wrong_clock_at_once() {
    let stored = Stored::new().await;
    put(&stored, [frame(NOON + 17, 1), frame(NOON + 86_400, 2), frame(NOON + 40 * 86_400, 3)]).await;
    tend(&stored, NOON + 86_400 + 7_200).await;
    assert_eq!((hog(&stored, NOON + 17).await, hog(&stored, NOON + 40 * 86_400).await), (Some(1), None));
    tend(&stored, NOON + 16 * 86_400 - 3_600).await;
    assert_eq!((hog(&stored, NOON + 17).await, hog(&stored, NOON + 86_400).await), (None, Some(2)));
}

#[tokio::test]
async fn live_frames_and_frames_without_lists_are_not_kept_and_long_ones_are_cut() {
    let stored = Stored::new().await;
    let live = Frame { live: true, ..frame(NOON, 1) };
    let none = Frame { at: at(NOON), ..Frame::default() };
    put(&stored, [live, none]).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_process").await, 0);
    let mut hostile = frame(NOON, 1);
    hostile.by_cpu = (0..5_000)
        .map(|pid| TopProcess { pid, name: "é".repeat(5_000), cpu: Some(f64::NAN), ..TopProcess::default() })
        .collect();
    put(&stored, [hostile]).await;
    let mut db = stored.db.read().acquire().await.unwrap();
    let minute = process::at_minute(&mut db, &host(), NOON).await.unwrap().unwrap();
    assert_eq!((minute.by_cpu.len(), minute.processes[0].name.len(), minute.processes[0].cpu), (10, 256, None));
}

#[test]
fn a_process_that_stands_out_has_its_unit_container_threads_files_and_reads() {
    let tree = Tree::new();
    let io = |read: u64| {
        format!(
            "rchar: 9\nwchar: 9\nsyscr: 9\nsyscw: 9\nread_bytes: {read}\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n"
        )
    };
    let id = "4f0c3a5e9b6d7c8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081";
    tree.write("proc/500/io", io(1_000));
    tree.write("proc/500/cgroup", format!("0::/system.slice/docker-{id}.scope\n"));
    (0..7).for_each(|n| tree.write(&format!("proc/500/fd/{n}"), ""));
    let mut sampler = tree.sampler();
    let before = sample(&mut sampler, 0);
    tree.write(
        "proc/500/stat",
        "500 (nginx) R 1 500 500 0 -1 0 1 1 1 1 460 240 0 0 20 0 4 0 900 60000000 2500 1 1 1\n",
    );
    tree.write("proc/500/io", io(61_000));
    let after = sample(&mut sampler, 60);
    let frame = difference::frame(&before, &after, &mut |process| sampler.detail(process));
    let [process] = frame.by_io.as_slice() else { panic!("{:?}", frame.by_io) };
    assert_eq!(
        (process.pid, process.io_bytes_rate, process.threads, process.open_files),
        (500, Some(1_000.0), Some(4), Some(7))
    );
    assert_eq!(process.container.as_deref(), Some(&id[..12]));
    assert_eq!(process.unit.as_deref(), Some(format!("docker-{id}.scope").as_str()));
    assert_eq!(frame.by_cpu, frame.by_io);
}

#[test]
fn reads_and_writes_of_a_process_without_cpu_time_are_not_read_again() {
    let tree = Tree::new();
    tree.write("proc/500/io", "read_bytes: 1000\nwrite_bytes: 0\n");
    let mut sampler = tree.sampler();
    let io = |taken: &palisade_sys::sample::Sample| taken.processes.iter().find(|p| p.pid == 500).unwrap().io_bytes;
    assert_eq!(io(&sample(&mut sampler, 0)), Some(1_000));
    tree.write("proc/500/io", "read_bytes: 9000\nwrite_bytes: 0\n");
    assert_eq!(io(&sample(&mut sampler, 10)), Some(1_000), "its ticks have not changed");
    let other = "500 (other) R 1 500 500 0 -1 0 1 1 1 1 60 40 0 0 20 0 4 0 7777 6 2500 1 1 1\n";
    tree.write("proc/500/stat", other);
    assert_eq!(io(&sample(&mut sampler, 20)), Some(9_000), "the pid was given to another process");
    tree.remove("proc/500/io");
    tree.write("proc/500/stat", other.replace("60 40", "61 40"));
    assert_eq!(io(&sample(&mut sampler, 30)), None);
}
