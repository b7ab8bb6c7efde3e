//! Watched processes: counted, measured, and missed when they are gone.

use crate::bench_host::{BEGIN_S, BenchHost, Proc};
use crate::tree::Tree;
use palisade_monitor::model::Frame;
use palisade_monitor::setting::{SettingSpec, WatchSpec};

fn watch(name: &str, change: impl FnOnce(&mut WatchSpec)) -> WatchSpec {
    let mut spec = WatchSpec { watch: name.to_owned(), ..WatchSpec::default() };
    change(&mut spec);
    spec
}

fn value(frame: &Frame, name: &str, watch: &str) -> Option<f64> {
    frame.metrics.get(&format!("{name}{{watch=\"{watch}\"}}")).copied()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn host(watches: Vec<WatchSpec>) -> BenchHost {
    let host = BenchHost::new(Tree::new());
    host.settings.put(&SettingSpec { interval_s: 10, watches, ..SettingSpec::default() }).unwrap();
    host
}

#[test]
fn a_process_that_dies_is_counted_as_none_and_its_return_as_a_start() {
    let mut host = host(vec![watch("web", |w| w.name = text("nginx"))]);
    host.tree.remove("proc/500/stat"); // the tree has an nginx of its own
    host.pass_s(20);
    let frame = host.frames().pop().unwrap();
    for name in ["watch_processes", "watch_memory_bytes", "watch_threads", "watch_cpu_ratio", "watch_restarts_total"] {
        assert_eq!(value(&frame, name, "web"), Some(0.0), "{name}");
    }
    let mut nginx = Proc::new(900, "nginx", BEGIN_S + 20);
    nginx.put(&host.tree);
    host.pass_s(20);
    let frame = host.frames().pop().unwrap();
    assert_eq!(value(&frame, "watch_processes", "web"), Some(1.0));
    assert_eq!(value(&frame, "watch_restarts_total", "web"), Some(1.0));
    // the same number at once for another start: a restart between two readings
    nginx.start_s += 22;
    nginx.put(&host.tree);
    host.pass_s(20);
    assert_eq!(value(&host.frames().pop().unwrap(), "watch_restarts_total", "web"), Some(2.0));
    nginx.state = 'Z';
    nginx.put(&host.tree);
    host.pass_s(20);
    assert_eq!(value(&host.frames().pop().unwrap(), "watch_processes", "web"), Some(0.0), "a zombie does not run");
}

#[test]
fn what_the_processes_of_a_watch_use_is_added_up() {
    let mut host = host(vec![
        watch("workers", |w| (w.user, w.command) = (text("www-data"), text("worker$"))),
        watch("unit", |w| w.unit = text("app.service")),
    ]);
    let mut both = [Proc::new(901, "app", 900), Proc::new(902, "app", 900)];
    both.iter().for_each(|p| p.who(&host.tree, "/srv/app worker", "app.service"));
    let main = Proc::new(903, "app", 900);
    main.who(&host.tree, "/srv/app main", "app.service");
    main.put(&host.tree);
    std::fs::create_dir_all(host.tree.path().join("proc/901/fd/0")).unwrap();
    for step in 0..6_u64 {
        for process in &mut both {
            process.cpu_ticks = step * 250;
            process.moved(&host.tree, step * 5_000_000, step * 5_000_000);
            process.put(&host.tree);
        }
        host.pass_s(10);
    }
    let frame = host.frames().pop().unwrap();
    assert_eq!(
        (value(&frame, "watch_processes", "workers"), value(&frame, "watch_processes", "unit")),
        (Some(2.0), Some(3.0))
    );
    assert_eq!(value(&frame, "watch_threads", "workers"), Some(4.0));
    let near = |name: &str, expected: f64| {
        let value = value(&frame, name, "workers").unwrap();
        assert!((value / expected - 1.0).abs() < 0.3, "{name}: {value}, not {expected}");
    };
    near("watch_cpu_ratio", 0.5);
    near("watch_io_bytes_rate", 2e6);
    near("watch_memory_bytes", 2.0 * 100.0 * 4_096.0);
    assert!(value(&frame, "watch_open_files", "workers").is_some());
}

#[test]
fn a_process_that_becomes_another_program_is_seen_as_that() {
    let mut host =
        host(vec![watch("db", |w| w.name = text("postgres")), watch("shop", |w| w.command = text("^/srv/shop"))]);
    let mut process = Proc::new(950, "sh", BEGIN_S);
    process.who(&host.tree, "sh /srv/start", "shop.service");
    process.put(&host.tree);
    host.pass_s(30);
    assert_eq!(value(&host.frames().pop().unwrap(), "watch_processes", "shop"), Some(0.0));
    process.name = "shop";
    process.who(&host.tree, "/srv/shop serve", "shop.service");
    process.put(&host.tree);
    host.pass_s(20);
    let frame = host.frames().pop().unwrap();
    assert_eq!(value(&frame, "watch_processes", "shop"), Some(1.0));
    assert_eq!(value(&frame, "watch_restarts_total", "shop"), Some(1.0));
}

#[test]
fn watches_that_are_taken_away_have_no_series_any_more() {
    let mut host = host(vec![watch("web", |w| w.name = text("nginx"))]);
    host.pass_s(20);
    assert_eq!(value(&host.frames().pop().unwrap(), "watch_processes", "web"), Some(1.0));
    host.settings.put(&SettingSpec { interval_s: 10, ..SettingSpec::default() }).unwrap();
    host.pass_s(20);
    assert_eq!(value(&host.frames().pop().unwrap(), "watch_processes", "web"), None);
}
