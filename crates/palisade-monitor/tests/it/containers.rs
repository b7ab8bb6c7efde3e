//! Containers on trees of cgroups, version 2 and version 1, as their managers lay them out.

use crate::tree::{Tree, sample};
use palisade_monitor::difference;
use palisade_monitor::model::Frame;

const ID: &str = "4f0c3a5e9b6d7c8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081";
const OTHER: &str = "9b6d7c8f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70814f0c3a5e";

fn v2(tree: &Tree, path: &str, cpu_us: u64) {
    let at = |file: &str| format!("sys/fs/cgroup/{path}/{file}");
    tree.write(
        &at("cpu.stat"),
        format!(
            "usage_usec {cpu_us}\nuser_usec 1\nsystem_usec 1\nnr_periods 9\nnr_throttled 3\nthrottled_usec {}\n",
            cpu_us / 10
        ),
    );
    tree.write(&at("memory.current"), "209715200\n");
    tree.write(&at("memory.stat"), "anon 1\nfile 2\ninactive_anon 0\ninactive_file 104857600\n");
    tree.write(&at("memory.max"), "419430400\n");
    tree.write(&at("memory.events"), "low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\n");
    tree.write(&at("pids.current"), "7\n");
    tree.write(
        &at("io.stat"),
        format!("254:0 rbytes={} wbytes=4096 rios=1 wios=1 dbytes=0 dios=0\n8:0 rbytes=1000 wbytes=0 rios=1\n", cpu_us),
    );
}

fn v2_tree() -> Tree {
    let tree = Tree::new();
    tree.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
    tree.write("sys/fs/cgroup/cgroup.stat", "nr_descendants 3\nnr_dying_descendants 0\n");
    tree.write("sys/fs/cgroup/system.slice/nginx.service/cpu.stat", "usage_usec 5\n");
    tree
}

fn two(tree: &Tree, between: impl FnOnce(&Tree)) -> Frame {
    let mut sampler = tree.sampler();
    let before = sample(&mut sampler, 0);
    between(tree);
    let after = sample(&mut sampler, 60);
    difference::frame(&before, &after, &mut |_| None)
}

#[test]
fn a_container_of_version_2_has_all_its_values() {
    let tree = v2_tree();
    let path = format!("system.slice/docker-{ID}.scope");
    v2(&tree, &path, 1_000_000);
    let frame = two(&tree, |tree| v2(tree, &path, 31_000_000));
    let value = |name: &str| frame.metrics.get(&format!("container_{name}{{container=\"4f0c3a5e9b6d\"}}")).copied();
    assert_eq!(frame.metrics["containers"], 1.0);
    for (name, expected) in [
        ("cpu_ratio", 0.5),
        ("throttled_ratio", 0.05),
        ("memory_bytes", 104_857_600.0),
        ("memory_limit_bytes", 419_430_400.0),
        ("memory_used_ratio", 0.25),
        ("read_bytes_rate", 500_000.0),
        ("write_bytes_rate", 0.0),
        ("tasks", 7.0),
        ("oom_kills_total", 2.0),
    ] {
        assert_eq!(value(name), Some(expected), "{name}");
    }
}

#[test]
fn a_container_of_version_1_has_its_values_from_the_tree_of_each_controller() {
    let tree = Tree::new();
    tree.write("proc/cgroups", "#subsys_name hierarchy num_cgroups enabled\nmemory 4 25 1\npids 8 9 1\n");
    let at = |controller: &str, file: &str| format!("sys/fs/cgroup/{controller}/docker/{ID}/{file}");
    tree.write(&at("cpuacct", "cpuacct.usage"), "1000000000\n");
    tree.write(&at("cpu", "cpu.stat"), "nr_periods 1\nnr_throttled 1\nthrottled_time 6000000000\n");
    tree.write(&at("memory", "memory.usage_in_bytes"), "1000\n");
    tree.write(&at("memory", "memory.stat"), "cache 1\ntotal_inactive_file 400\n");
    tree.write(&at("memory", "memory.limit_in_bytes"), "9223372036854771712\n");
    tree.write(&at("memory", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    tree.write(&at("pids", "pids.current"), "2\n");
    tree.write(
        &at("blkio", "blkio.throttle.io_service_bytes"),
        "254:0 Read 600\n254:0 Write 0\n254:0 Total 600\nTotal 600\n",
    );
    let frame = two(&tree, |tree| {
        tree.write(&at("cpuacct", "cpuacct.usage"), "7000000000\n");
        tree.write(&at("blkio", "blkio.throttle.io_service_bytes"), "254:0 Read 6600\n254:0 Write 60\nTotal 6660\n");
    });
    let mut said: Vec<_> = frame.metrics.iter().filter(|(key, _)| key.starts_with("container_")).collect();
    said.sort_by_key(|(key, _)| key.as_str());
    let said: Vec<String> =
        said.iter().map(|(key, value)| format!("{} {value}", key.split('{').next().unwrap())).collect();
    let expected = [
        "container_cpu_ratio 0.1",
        "container_memory_bytes 600",
        "container_oom_kills_total 3",
        "container_read_bytes_rate 100",
        "container_tasks 2",
        "container_throttled_ratio 0",
        "container_write_bytes_rate 1",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_tree_is_walked_again_only_when_it_has_changed() {
    let tree = v2_tree();
    v2(&tree, &format!("docker/{ID}"), 1);
    let mut sampler = tree.sampler();
    let names =
        |taken: &palisade_sys::sample::Sample| taken.containers.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sample(&mut sampler, 0)), ["4f0c3a5e9b6d"]);
    v2(&tree, &format!("machine.slice/libpod-{OTHER}.scope"), 1);
    assert_eq!(names(&sample(&mut sampler, 0)), ["4f0c3a5e9b6d"], "as many cgroups as before: not walked");
    tree.write("sys/fs/cgroup/cgroup.stat", "nr_descendants 4\n");
    assert_eq!(names(&sample(&mut sampler, 0)), ["4f0c3a5e9b6d", "9b6d7c8f1a2b"]);
    std::fs::remove_dir_all(tree.path().join(format!("sys/fs/cgroup/docker/{ID}"))).unwrap();
    assert_eq!(names(&sample(&mut sampler, 0)), ["9b6d7c8f1a2b"], "one that is gone is not shown");
    v2(&tree, "lxc/web", 1);
    assert_eq!(names(&sample(&mut sampler, 0)), ["9b6d7c8f1a2b", "web"], "and what took its place is found");
}

#[test]
fn a_container_that_was_started_again_gives_no_rate_and_is_no_fault() {
    let tree = v2_tree();
    v2(&tree, "lxc/web", 50_000_000);
    let frame = two(&tree, |tree| v2(tree, "lxc/web", 1_000));
    assert!(!frame.metrics.contains_key("container_cpu_ratio{container=\"web\"}"));
    assert_eq!(frame.metrics["container_tasks{container=\"web\"}"], 7.0);
    assert_eq!(frame.metrics["agent_rejected_values"], 0.0);
}

#[test]
fn many_containers_and_deep_trees_stay_bounded() {
    let tree = v2_tree();
    (0..100).for_each(|n| v2(&tree, &format!("lxc/c{n:03}"), 1));
    v2(&tree, &format!("{}lxc/deep", "d/".repeat(40)), 1);
    let taken = sample(&mut tree.sampler(), 0);
    assert_eq!(taken.containers.len(), palisade_sys::sample::CONTAINERS_MAX);
    assert!(taken.containers.iter().all(|c| c.name.starts_with('c')));
}
