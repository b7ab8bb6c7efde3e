//! The reader of `/proc` on trees of files: what is missing, cut, hostile or silent.

use crate::tree::{FILES, Tree, sample, space};
use palisade_sys::sample::{ANSWER_LIMIT, Sample, Sampler, Space, fstab_parse};
use proptest::prelude::*;
use std::ffi::CStr;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn files_that_the_kernel_does_not_have_are_said_and_the_rest_is_read() {
    let tree = Tree::new();
    for file in
        ["proc/pressure/cpu", "proc/pressure/memory", "proc/pressure/io", "proc/thread-self/net/snmp", "proc/stat"]
    {
        tree.remove(file);
    }
    tree.write("proc/uptime", "soon\n");
    let sample = sample(&mut tree.sampler(), 0);
    let said: Vec<_> = sample.missing.iter().map(|m| format!("{}: {}", m.file, m.why)).collect();
    let expected = [
        "stat: absent",
        "uptime: not understood",
        "pressure/cpu: absent",
        "pressure/memory: absent",
        "pressure/io: absent",
        "thread-self/net/snmp: absent",
    ];
    assert_eq!(said, expected);
    assert!(sample.kernel.cpu.is_none() && sample.kernel.memory.is_some() && sample.sockets.is_some());
}

#[test]
fn a_sample_holds_nothing_of_the_one_before() {
    let tree = Tree::new();
    let mut sampler = tree.sampler();
    let mut taken = Sample::default();
    sampler.take_system(&mut taken);
    assert_eq!((taken.disks.len(), taken.interfaces.len(), taken.mounts.len()), (1, 1, 3));
    for (file, _) in
        FILES.iter().filter(|(file, _)| file.starts_with("proc/") && !file.contains("/1/") && !file.contains("/500/"))
    {
        tree.remove(file);
    }
    let mut sampler = tree.sampler(); // an open file stays readable after its removal
    sampler.take_system(&mut taken);
    assert!(taken.disks.is_empty() && taken.interfaces.is_empty() && taken.mounts.is_empty());
    assert!(
        taken.tcp.is_none() && taken.sockets.is_none() && taken.kernel.memory.is_none() && taken.kernel.cpus.is_empty()
    );
}

#[test]
fn mounts_are_those_that_hold_data_each_once() {
    let sample = sample(&mut Tree::new().sampler(), 0);
    let said: Vec<_> = sample.mounts.iter().map(|m| (m.point.as_str(), m.read_only, m.space.is_some())).collect();
    assert_eq!(said, [("/", false, true), ("/srv/my data", true, true), ("/mnt/archive", false, false)]);
}

static HANGS: AtomicBool = AtomicBool::new(true);

/// A file server that is gone, until the test brings it back.
fn hung(path: &CStr) -> io::Result<Space> {
    while path.to_bytes().ends_with(b"/mnt/archive") && HANGS.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    space(c"/")
}

#[test]
fn a_file_system_that_hangs_does_not_hold_the_sample_and_comes_back() {
    let tree = Tree::new();
    let mut sampler = Sampler::at(tree.path(), hung).unwrap();
    let mut taken = Sample::default();
    for _ in 0..2 {
        let begun = Instant::now();
        sampler.take_system(&mut taken);
        assert!(begun.elapsed() < ANSWER_LIMIT * 40, "{:?}", begun.elapsed());
        assert_eq!(taken.mount_silent.as_deref(), Some("/mnt/archive"));
        let space_of = |point: &str| taken.mounts.iter().find(|m| m.point == point).unwrap().space;
        assert!(space_of("/").is_some() && space_of("/mnt/archive").is_none());
    }
    HANGS.store(false, Ordering::Relaxed);
    let until = Instant::now() + Duration::from_secs(10);
    while taken.mount_silent.is_some() {
        assert!(Instant::now() < until, "it does not come back");
        sampler.take_system(&mut taken);
    }
    assert!(taken.mounts.iter().all(|m| m.space.is_some()));
}

#[test]
fn hostile_names_stay_text_and_many_rows_stay_bounded() {
    let tree = Tree::new();
    let line = |n: usize| format!(" 254 0 sd\u{1b}[31m{} 1 0 8 5 2 0 1 4 0 6 9\n", "x".repeat(n));
    tree.write("proc/diskstats", (0..5_000).map(line).collect::<String>());
    tree.write(
        "proc/thread-self/net/dev",
        [b"h\nh\n".as_slice(), &[0xff; 1 << 20], b": 1 2 3\n e\xff0: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"].concat(),
    );
    tree.write("proc/700/stat", b"700 (a) b\n(\xff) Z 1 1 1 0 -1 4 0 0 0 0 5 6 0 0 20 0 1 0 99 4096 2 0 0");
    tree.write("proc/701/stat", "701 (cut");
    let sample = sample(&mut tree.sampler(), 0);
    assert_eq!(sample.disks.len(), 64);
    assert!(sample.disks.iter().all(|d| d.name.len() <= 64));
    assert_eq!(sample.interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["e\u{fffd}0"]);
    assert_eq!(sample.processes.iter().map(|p| p.pid).collect::<Vec<_>>(), [1, 500, 700]);
    assert_eq!(sample.process_states.unwrap().zombie, 1);
}

#[test]
fn fstab_says_what_should_be_writable() {
    let fstab = "# comment\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/sdb /my\\040data xfs ro 0 2\n/dev/sdc /c ext4 ro,rw\n/dev/sda2 none swap sw 0 0\nshort /x\n";
    let said: Vec<_> = fstab_parse(fstab).into_iter().map(|e| (e.point, e.read_write)).collect();
    assert_eq!(said, [("/".to_owned(), true), ("/my data".to_owned(), false), ("/c".to_owned(), true)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_content_of_any_file_makes_it_panic(which in 0..FILES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let tree = Tree::new();
        tree.write(FILES[which].0, &bytes);
        let mut sampler = tree.sampler();
        let before = sample(&mut sampler, 0);
        let after = sample(&mut tree.sampler(), 60);
        palisade_monitor::difference::frame(&before, &after, &mut |process| sampler.detail(process));
    }

    #[test]
    fn no_change_of_one_word_makes_it_panic_or_gives_an_impossible_value(
        which in 0..FILES.len(), word in 0_usize..40, with in "[0-9]{1,22}|-1|[a-z:()\\\\]{0,4}|\u{1b}"
    ) {
        let tree = Tree::new();
        let mut sampler = tree.sampler();
        let before = sample(&mut sampler, 0);
        let (path, text) = FILES[which];
        let mut words: Vec<&str> = text.split(' ').collect();
        let at = word % words.len();
        words[at] = &with;
        tree.write(path, words.join(" "));
        let after = sample(&mut tree.sampler(), 60);
        let frame = palisade_monitor::difference::frame(&before, &after, &mut |process| sampler.detail(process));
        for (key, value) in frame.metrics {
            let key = palisade_monitor::model::SeriesKey::parse(&key).unwrap();
            let metric = palisade_monitor::catalogue::metric(&key.name).unwrap();
            prop_assert!((0.0..=metric.max).contains(&value), "{key} {value}");
        }
    }

    #[test]
    fn fstab_never_panics(text in ".{0,200}") {
        fstab_parse(&text);
    }
}
