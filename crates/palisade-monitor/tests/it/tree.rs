//! A host's `/proc` as a tree of files.

use palisade_sys::sample::{Sample, Sampler, Space};
use std::ffi::CStr;
use std::io;
use std::path::Path;

/// A host of two cores, as Debian 12 shows one.
pub struct Tree {
    dir: tempfile::TempDir,
}

pub const FILES: [(&str, &str); 18] = [
    (
        "proc/stat",
        "cpu  1000 0 500 10000 100 0 10 0 0 0\ncpu0 500 0 250 5000 50 0 5 0 0 0\ncpu1 500 0 250 5000 50 0 5 0 0 0\n\
         intr 6541 0 9 0\nctxt 4000\nbtime 1795305891\nprocesses 300\nprocs_running 1\nprocs_blocked 0\nsoftirq 100 0 1\n",
    ),
    (
        "proc/meminfo",
        "MemTotal:        4000000 kB\nMemFree:         1000000 kB\nMemAvailable:    3000000 kB\nBuffers:           10000 kB\n\
         Cached:          1500000 kB\nSwapCached:            0 kB\nDirty:               100 kB\nSlab:              80000 kB\n\
         SwapTotal:       1000000 kB\nSwapFree:         750000 kB\nHugePages_Total:       0\n",
    ),
    ("proc/loadavg", "0.50 0.25 0.10 2/180 12345\n"),
    ("proc/vmstat", "nr_free_pages 250000\npgmajfault 100\noom_kill 2\n"),
    ("proc/uptime", "86400.50 170000.00\n"),
    ("proc/sys/fs/file-nr", "1024\t0\t400000\n"),
    (
        "proc/pressure/cpu",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    ),
    (
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    ),
    (
        "proc/pressure/io",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=400000\n",
    ),
    (
        "proc/diskstats",
        " 254       0 vda 1000 0 8000 500 2000 0 16000 4000 0 6000 9000 0 0 0 0 0 0\n 254       1 vda1 900 0 7000 400 1000 0 8000 900 0 500 1300\n   7       0 loop0 5 0 10 0 0 0 0 0 0 0 0\n",
    ),
    (
        "proc/thread-self/net/dev",
        "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n\
         \x20   lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0\n\
         \x20 eth0: 1000000    2000    0    1    0     0          0         0   500000    1500    0    0    0     0       0          0\n\
         veth1a2: 77 7 0 0 0 0 0 0 77 7 0 0 0 0 0 0\n",
    ),
    (
        "proc/thread-self/net/snmp",
        "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n\
         Tcp: 1 200 120000 -1 158 2 0 67 12 20916 10000 50 0 235 0\n",
    ),
    (
        "proc/thread-self/net/sockstat",
        "sockets: used 17\nTCP: inuse 15 orphan 0 tw 4 alloc 20 mem 65\nUDP: inuse 0 mem 0\n",
    ),
    ("proc/self/statm", "5000 1000 800 100 0 500 0\n"),
    (
        "proc/self/mountinfo",
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n\
         30 27 254:16 / /srv/my\\040data ro,relatime - xfs /dev/vdb ro\n31 27 254:1 /x /bound ro - ext4 /dev/vda1 rw\n\
         32 27 0:50 / /mnt/archive rw - nfs4 store:/archive rw,vers=4.2\n",
    ),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"),
    (
        "proc/1/stat",
        "1 (systemd) S 0 1 1 0 -1 4194560 1 1 1 1 100 200 1 1 20 0 1 0 5 170000000 3000 18446744073709551615 1 1\n",
    ),
    (
        "proc/500/stat",
        "500 (nginx) S 1 500 500 0 -1 4194560 1 1 1 1 60 40 0 0 20 0 4 0 900 60000000 2000 18446744073709551615 1 1\n",
    ),
];

impl Tree {
    pub fn new() -> Tree {
        Tree::within(tempfile::tempdir().unwrap())
    }

    /// Where ten thousands of files are made and removed in no time, if there is such a place.
    pub fn in_memory() -> Tree {
        Tree::within(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn within(dir: tempfile::TempDir) -> Tree {
        let tree = Tree { dir };
        FILES.iter().for_each(|(path, text)| tree.write(path, text));
        tree.process(500, "www-data", "nginx: worker\0--password=abc\0");
        tree
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.dir.path().join(path)).unwrap();
    }

    /// What is read of a process that is shown.
    pub fn process(&self, pid: u32, user: &str, command_line: &str) {
        let uid = if user == "root" { 0 } else { 33 };
        self.write(&format!("proc/{pid}/cmdline"), command_line);
        self.write(&format!("proc/{pid}/status"), format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"));
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn sampler(&self) -> Sampler {
        Sampler::at(self.path(), space).unwrap()
    }
}

/// A sample with a clock of the test's own.
pub fn sample(sampler: &mut Sampler, at_s: u64) -> Sample {
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    sampler.take_processes(&mut sample);
    sample.at = format!("2026-11-22T12:{:02}:{:02}Z", at_s / 60, at_s % 60).parse().unwrap();
    sample.boot_ns = (1_000 + at_s) * 1_000_000_000;
    sample.agent.cpu_us = at_s * 1_000;
    sample
}

/// 1,000 blocks of a megabyte: 600 free, 500 of them for users; 100 of 400 inodes free.
pub fn space(path: &CStr) -> io::Result<Space> {
    if path.to_bytes().ends_with(b"/mnt/archive") {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let bytes = |mb: u64| mb << 20;
    Ok(Space {
        total_bytes: bytes(1_000),
        free_bytes: bytes(600),
        available_bytes: bytes(500),
        inodes: 400,
        inodes_free: 100,
    })
}
