//! Two samples of a tree make the frame that was worked out by hand.

use crate::tree::{Tree, sample};
use palisade_monitor::difference;
use palisade_monitor::model::Frame;
use palisade_sys::sample::Sampler;

/// The next sample, a minute later, and the frame between the two.
fn frame_after(tree: &Tree, change: impl FnOnce(&Tree)) -> Frame {
    let mut sampler: Sampler = tree.sampler();
    let before = sample(&mut sampler, 0);
    change(tree);
    let after = sample(&mut sampler, 60);
    difference::frame(&before, &after, &mut |process| sampler.detail(process))
}

fn a_busy_minute(tree: &Tree) {
    tree.write(
        "proc/stat",
        "cpu  2200 0 1100 19960 220 0 70 60 0 0\ncpu0 1700 0 250 9800 50 0 5 0 0 0\ncpu1 500 0 850 10160 170 0 65 60 0 0\n\
         ctxt 10000\nbtime 1795305891\nprocesses 420\n",
    );
    tree.write("proc/vmstat", "pgmajfault 700\noom_kill 3\n");
    tree.write(
        "proc/pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    tree.write(
        "proc/pressure/io",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n",
    );
    tree.write("proc/diskstats", " 254       0 vda 1600 0 128000 1100 2300 0 256000 4600 0 36000 69000 0 0 0 0 0 0\n");
    tree.write(
        "proc/thread-self/net/dev",
        "Inter-|   Receive |  Transmit\n face |bytes |bytes\n  eth0: 7000000    2600    6    1    0     0          0         0   620000    1800    0    0    0     0       0          0\n",
    );
    tree.write("proc/thread-self/net/snmp", "Tcp: CurrEstab OutSegs RetransSegs\nTcp: 14 10950 100\n");
    tree.write("proc/500/stat", "500 (nginx) R 1 500 500 0 -1 4194560 1 1 1 1 460 240 0 0 20 0 4 0 900 60000000 2500 18446744073709551615 1 1\n");
}

#[test]
fn the_frame_of_a_busy_minute_is_as_worked_out() {
    let frame = frame_after(&Tree::new(), a_busy_minute);
    let mut said: String = frame.metrics.iter().map(|(key, value)| format!("{key} {value:.6}\n")).collect();
    for (list, processes) in [("cpu", &frame.by_cpu), ("memory", &frame.by_memory)] {
        for p in processes {
            said +=
                &format!("by {list}: {} {} {:?} {:?} {:?} {}\n", p.pid, p.name, p.user, p.cmdline, p.cpu, p.rss_bytes);
        }
    }
    said += &frame.missing.iter().map(|m| format!("missing {m}\n")).collect::<String>();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frames/a-busy-minute.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(path).unwrap());
}

#[test]
fn a_counter_that_fell_gives_no_value_and_is_counted() {
    let frame = frame_after(&Tree::new(), |tree| {
        a_busy_minute(tree);
        tree.write("proc/thread-self/net/dev", "head\nhead\n eth0: 10 2600 0 1 0 0 0 0 620000 1800 0 0 0 0 0 0\n");
    });
    assert!(!frame.metrics.contains_key("network_receive_bytes_rate{interface=\"eth0\"}"));
    assert_eq!(frame.metrics["network_transmit_bytes_rate{interface=\"eth0\"}"], 2_000.0);
    assert_eq!(frame.metrics["agent_rejected_values"], 1.0);
}

#[test]
fn a_cpu_counter_that_fell_gives_no_cpu_values_but_iowait_may_fall() {
    let fell = frame_after(&Tree::new(), |tree| {
        tree.write("proc/stat", "cpu  900 0 1100 19960 220 0 70 60 0 0\n");
    });
    assert!(!fell.metrics.keys().any(|key| key.starts_with("cpu_usage") || key.starts_with("cpu_mode")));
    let iowait = frame_after(&Tree::new(), |tree| {
        tree.write("proc/stat", "cpu  2200 0 500 19000 90 0 10 0 0 0\n");
    });
    assert!((iowait.metrics["cpu_usage_ratio"] - 1_200.0 / 10_200.0).abs() < 1e-9);
    assert_eq!(iowait.metrics["cpu_mode_ratio{mode=\"iowait\"}"], 0.0);
}

#[test]
fn a_pid_given_to_another_process_has_no_cpu_share() {
    let frame = frame_after(&Tree::new(), |tree| {
        tree.write("proc/500/stat", "500 (other) R 1 500 500 0 -1 0 1 1 1 1 5000 0 0 0 20 0 4 0 7777 6 2500 1 1 1\n");
    });
    assert!(frame.by_cpu.is_empty(), "{:?}", frame.by_cpu);
    let other = frame.by_memory.iter().find(|p| p.pid == 500).unwrap();
    assert_eq!((other.name.as_str(), other.cpu), ("other", None));
}

#[test]
fn impossible_values_are_thrown_away_and_counted() {
    let frame = frame_after(&Tree::new(), |tree| {
        // a disk busy for 10 minutes in one, and a process that used 100 cores of 2
        tree.write("proc/diskstats", " 254 0 vda 1000 0 8000 500 2000 0 16000 4000 0 606000 9000\n");
        tree.write("proc/500/stat", "500 (nginx) R 1 500 500 0 -1 0 1 1 1 1 600060 40 0 0 20 0 4 0 900 6 2500 1 1 1\n");
    });
    assert!(!frame.metrics.contains_key("disk_io_utilization_ratio{device=\"vda\"}"));
    assert!(frame.by_cpu.is_empty());
    assert_eq!(frame.metrics["agent_rejected_values"], 2.0);
}

#[test]
fn a_device_that_is_new_has_values_from_its_second_sample_on() {
    let frame = frame_after(&Tree::new(), |tree| {
        let line = |name: &str| format!(" 254 0 {name} 1000 0 8000 500 2000 0 16000 4000 0 6000 9000\n");
        tree.write("proc/diskstats", line("vdb") + &line("vda"));
    });
    assert_eq!(frame.metrics["disk_io_read_bytes_rate{device=\"vda\"}"], 0.0);
    assert!(!frame.metrics.contains_key("disk_io_read_bytes_rate{device=\"vdb\"}"));
}

#[test]
fn two_samples_at_one_moment_give_no_rates() {
    let tree = Tree::new();
    let mut sampler = tree.sampler();
    let before = sample(&mut sampler, 0);
    a_busy_minute(&tree);
    let after = sample(&mut sampler, 0);
    let frame = difference::frame(&before, &after, &mut |_| None);
    assert!(!frame.metrics.keys().any(|key| key.contains("_rate")));
    assert!(frame.metrics.contains_key("memory_used_ratio"));
}
