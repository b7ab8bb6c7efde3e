//! What other distributions show, cut to what is read.

use crate::tree::{Tree, sample};

/// RHEL 9, kernel 5.14: LVM and multipath, pressure switched off at boot, TCP columns as of then.
#[test]
fn a_sample_of_rhel_9_has_its_logical_volumes_and_no_pressure() {
    let tree = Tree::new();
    ["cpu", "memory", "io"].iter().for_each(|kind| tree.remove(&format!("proc/pressure/{kind}")));
    tree.write(
        "proc/self/mountinfo",
        "21 93 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw\n\
         93 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/rhel-root rw,seclabel,attr2,inode64,noquota\n\
         37 93 253:2 / /home rw,relatime shared:2 - xfs /dev/mapper/rhel-home rw,seclabel\n\
         39 93 8:2 / /boot rw,relatime shared:3 - xfs /dev/sda2 rw,seclabel\n\
         41 39 8:1 / /boot/efi rw,relatime shared:4 - vfat /dev/sda1 rw,fmask=0077\n\
         43 93 0:45 / /var/lib/containers/storage/overlay rw - overlay overlay rw,lowerdir=/x\n",
    );
    tree.write(
        "proc/diskstats",
        "   8       0 sda 10548 32 801234 4321 5123 1200 345678 9876 0 12345 14197 0 0 0 0 812 0\n\
         \x20  8       1 sda1 120 0 9000 40 2 0 2 1 0 41 41 0 0 0 0 0 0\n\
         \x20253       0 dm-0 9000 0 700000 4000 6000 0 340000 9000 0 12000 13000 0 0 0 0 0 0\n\
         \x20 11       0 sr0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
    );
    let sample = sample(&mut tree.sampler(), 0);
    let points: Vec<_> = sample.mounts.iter().map(|m| m.point.as_str()).collect();
    assert_eq!(points, ["/", "/home", "/boot", "/boot/efi"]);
    let disks: Vec<_> = sample.disks.iter().map(|d| (d.name.as_str(), d.reads, d.busy_ms)).collect();
    assert_eq!(disks, [("sda", 10_548, 12_345), ("dm-0", 9_000, 12_000)]);
    assert!(sample.kernel.pressure_cpu.is_none());
    assert_eq!(sample.missing.len(), 3);
}

/// Ubuntu 24.04, kernel 6.8, on a virtual machine with snaps, a Docker bridge and a tmpfs.
#[test]
fn a_sample_of_ubuntu_24_04_leaves_snaps_and_containers_out() {
    let tree = Tree::new();
    tree.write(
        "proc/self/mountinfo",
        "24 30 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n\
         27 30 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=400000k,mode=755,inode64\n\
         30 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw,discard,errors=remount-ro,commit=30\n\
         90 30 7:0 / /snap/core22/1380 ro,nodev,relatime shared:40 - squashfs /dev/loop0 ro,errors=continue\n\
         95 30 259:3 / /boot rw,relatime shared:46 - ext4 /dev/nvme0n1p16 ro\n\
         99 27 0:40 / /run/user/1000 rw,nosuid,nodev,relatime shared:300 - tmpfs tmpfs rw,size=400000k\n\
         101 30 0:51 / /var/lib/docker/overlay2/ab/merged rw,relatime shared:333 - overlay overlay rw,lowerdir=/l\n",
    );
    tree.write(
        "proc/thread-self/net/dev",
        "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n\
         \x20   lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  ens5: 18446744073709551615 2 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n\
         docker0: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\nveth9f3: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n",
    );
    let sample = sample(&mut tree.sampler(), 0);
    let mounts: Vec<_> = sample.mounts.iter().map(|m| (m.point.as_str(), m.read_only)).collect();
    assert_eq!(mounts, [("/run", false), ("/", false), ("/boot", true)]);
    let interfaces: Vec<_> = sample.interfaces.iter().map(|i| (i.name.as_str(), i.receive_bytes)).collect();
    assert_eq!(interfaces, [("ens5", u64::MAX), ("docker0", 5)]);
    assert_eq!(sample.missing, []);
}
