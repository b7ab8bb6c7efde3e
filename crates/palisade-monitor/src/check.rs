//! What is wrong with how a host runs. Nothing here looks at a moment's load: that is for alarms.

use crate::observe::{Filesystem, Filesystems, MemoryClass, Observed};
use crate::setting::cover::Cover;
use palisade_core::{Check, Fix, Severity, Verdicts};

const PRACTICE: &str = "monitoring";
const ALARMS: &str = "alarms";
const FULL_PERCENT: u8 = 90;
const NEARLY_FULL_PERCENT: u8 = 80;
const FILE_HANDLES_PERCENT: u8 = 80;
const ZOMBIES: u64 = 100;

const DISK_FULL: Check = Check {
    id: "monitor.disk-full",
    practice: PRACTICE,
    severity: Severity::High,
    title: "a file system is nearly full",
    why: "A full file system stops databases, logs and logons. What attackers do is not logged either.",
    reference: Some("mission: Monitor the running status of servers"),
};
const INODES_FULL: Check = Check {
    id: "monitor.inodes-full",
    practice: PRACTICE,
    severity: Severity::High,
    title: "a file system is running out of files",
    why: "Without free inodes no file can be made, though there is space left.",
    reference: Some("mission: Monitor the running status of servers"),
};
const READ_ONLY: Check = Check {
    id: "monitor.read-only-filesystem",
    practice: PRACTICE,
    severity: Severity::High,
    title: "a file system has become read-only",
    why: "The kernel refuses writes after errors of a disk. Data is not stored any more, and the disk may be failing.",
    reference: Some("mount(8), errors=remount-ro"),
};
const DISK_SILENT: Check = Check {
    id: "monitor.filesystem-silent",
    practice: PRACTICE,
    severity: Severity::Medium,
    title: "a file system does not answer",
    why: "Every program that touches it hangs and cannot be ended.",
    reference: Some("statvfs(2)"),
};
const MEMORY: Check = Check {
    id: "monitor.memory-pressure",
    practice: PRACTICE,
    severity: Severity::Medium,
    title: "hardly any memory is left",
    why: "With the next large request the kernel ends a process of its choice, or the host begins to swap and stands still.",
    reference: Some("proc(5), MemAvailable"),
};
const OOM: Check = Check {
    id: "monitor.oom-kills",
    practice: PRACTICE,
    severity: Severity::Low,
    title: "processes were killed for want of memory",
    why: "The kernel has ended processes since the host was started. Some of them may not be running again.",
    reference: Some("proc(5), oom_kill of vmstat"),
};
const CLOCK: Check = Check {
    id: "monitor.clock",
    practice: PRACTICE,
    severity: Severity::Low,
    title: "nothing keeps the clock right",
    why: "Logs of several hosts cannot be put in order, and certificates and one-time codes fail, when clocks drift.",
    reference: Some("adjtimex(2), STA_UNSYNC"),
};
const ZOMBIE: Check = Check {
    id: "monitor.zombies",
    practice: PRACTICE,
    severity: Severity::Low,
    title: "many ended processes are not collected",
    why: "Each holds a process number; when they run out, nothing can be started any more.",
    reference: Some("proc(5), state Z"),
};
const FILE_HANDLES: Check = Check {
    id: "monitor.file-handles",
    practice: PRACTICE,
    severity: Severity::Medium,
    title: "file handles are running out",
    why: "At the limit no program can open a file or take a connection.",
    reference: Some("proc(5), /proc/sys/fs/file-max"),
};

const ALARM_RULES: Check = Check {
    id: "monitor.alarm-rules",
    practice: ALARMS,
    severity: Severity::Medium,
    title: "no alarm rule covers this host",
    why: "Whatever goes wrong on it is measured and shown, and nobody is called.",
    reference: Some("mission: Set alarm rules"),
};
const ALARM_CHANNEL: Check = Check {
    id: "monitor.alarm-channel",
    practice: ALARMS,
    severity: Severity::Medium,
    title: "alarms of this host reach nobody",
    why: "An alarm that nobody is told of is seen by who happens to look at the console.",
    reference: Some("mission: Set alarm rules and notification policies"),
};

/// Every check.
pub const CHECKS: &[Check] = &[
    DISK_FULL,
    INODES_FULL,
    READ_ONLY,
    DISK_SILENT,
    MEMORY,
    OOM,
    CLOCK,
    ZOMBIE,
    FILE_HANDLES,
    ALARM_RULES,
    ALARM_CHANNEL,
];

/// Judges a look. A scratch root has no counters: no check runs.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    if !observed.live {
        return;
    }
    match &observed.filesystems {
        Some(filesystems) => check_filesystems(filesystems, verdicts),
        None => {
            for check in [&DISK_FULL, &INODES_FULL, &READ_ONLY, &DISK_SILENT] {
                verdicts.unknown(check, "/proc/self/mountinfo cannot be read");
            }
        }
    }
    check_memory(observed, verdicts);
    check_kernel(observed, verdicts);
    match &observed.cover {
        Some(cover) => check_cover(cover, verdicts),
        None => {
            verdicts.unknown(&ALARM_RULES, "no server has told");
            verdicts.unknown(&ALARM_CHANNEL, "no server has told");
        }
    }
}

/// How alarms cover the host. Without a rule there is nothing to be told of, so that the channels are
/// not asked for.
fn check_cover(cover: &Cover, verdicts: &mut Verdicts) {
    if cover.rules == 0 {
        let fix = Fix::command(
            "Switch the built-in rules on, or write rules of your own whose scope holds this host.",
            "palisade monitor alarm basics on",
        );
        return verdicts.fail(&ALARM_RULES, "alarms", "the server has no alarm rule whose scope holds this host", fix);
    }
    verdicts.pass(&ALARM_RULES);
    match (cover.channels, cover.channel_works) {
        (0, _) => {
            let fix = Fix::text(
                "Apply a NotificationChannel, and a NotificationPolicy whose scope holds this host and that names the channel.",
            );
            let evidence = format!("{}, and no notification policy leads to a channel", rules(cover.rules));
            verdicts.fail(&ALARM_CHANNEL, "channels", evidence, fix);
        }
        (n, Some(false)) => {
            let fix = Fix::command(
                "See what the receiver answered, mend the channel, and send a test.",
                "palisade monitor channel list",
            );
            let evidence = if n == 1 {
                "the only channel failed the last time".to_owned()
            } else {
                format!("all {n} channels failed the last time")
            };
            verdicts.fail_as(&ALARM_CHANNEL, Severity::High, "channels", evidence, fix);
        }
        (_, Some(true)) => verdicts.pass(&ALARM_CHANNEL),
        (_, None) => verdicts
            .unknown(&ALARM_CHANNEL, "nothing was sent by its channels yet; try `palisade monitor channel test NAME`"),
    }
}

fn rules(count: u32) -> String {
    if count == 1 {
        "1 alarm rule is for this host".to_owned()
    } else {
        format!("{count} alarm rules are for this host")
    }
}

fn check_filesystems(filesystems: &Filesystems, verdicts: &mut Verdicts) {
    for check in [&DISK_FULL, &INODES_FULL, &READ_ONLY, &DISK_SILENT] {
        verdicts.pass(check);
    }
    for fs in &filesystems.mounted {
        if fs.read_only {
            if fs.wanted_read_write {
                verdicts.fail(
                    &READ_ONLY,
                    &fs.mount,
                    format!("{} {} is mounted ro, /etc/fstab wants rw", fs.device, fs.kind),
                    read_only_fix(fs),
                );
            }
            continue; // media and images are full by nature
        }
        if let Some((severity, percent)) = fullness(fs.used_percent) {
            let fix = Fix::command(
                "Remove what is not needed, or enlarge the file system. The command lists its largest directories.",
                format!("du -xh --max-depth=2 {} | sort -h | tail -20", quoted(&fs.mount)),
            );
            verdicts.fail_as(&DISK_FULL, severity, &fs.mount, format!("{percent} % of {} in use", fs.device), fix);
        }
        if let Some((severity, percent)) = fullness(fs.inodes_used_percent) {
            let fix = Fix::command(
                "Remove directories of many small files. The command lists the directories with the most files.",
                format!("du -x --inodes --max-depth=3 {} | sort -n | tail -20", quoted(&fs.mount)),
            );
            verdicts.fail_as(
                &INODES_FULL,
                severity,
                &fs.mount,
                format!("{percent} % of the inodes of {} in use", fs.device),
                fix,
            );
        }
    }
    if let Some(mount) = &filesystems.silent {
        let fix = Fix::text(
            "Bring its server back, or detach it with umount -l. Network mounts with the option `soft` give up by themselves.",
        );
        verdicts.fail(&DISK_SILENT, mount, "statvfs did not return within 250 ms", fix);
    }
}

fn fullness(percent: Option<u8>) -> Option<(Severity, u8)> {
    match percent? {
        p if p >= FULL_PERCENT => Some((Severity::High, p)),
        p if p >= NEARLY_FULL_PERCENT => Some((Severity::Medium, p)),
        _ => None,
    }
}

fn read_only_fix(fs: &Filesystem) -> Fix {
    Fix::command(
        "Look for errors of the disk in the kernel's log and save the data before it is mounted writable again.",
        format!("dmesg --level=err,warn | tail -50; findmnt {}", quoted(&fs.mount)),
    )
}

/// Safe to paste: in single quotes unless it is plain.
fn quoted(path: &str) -> String {
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn check_memory(observed: &Observed, verdicts: &mut Verdicts) {
    match observed.memory {
        None => verdicts.unknown(&MEMORY, "/proc/meminfo cannot be read"),
        Some(MemoryClass::Scarce) => {
            let fix = Fix::command(
                "Find what holds the memory, and give the host more or run less on it.",
                "ps -eo pid,user,rss,args --sort=-rss | head -15",
            );
            verdicts.fail(&MEMORY, "memory", "less than 5 % of the memory is available (/proc/meminfo)", fix);
        }
        Some(_) => verdicts.pass(&MEMORY),
    }
    match observed.kernel.oom_kills {
        None => verdicts.unknown(&OOM, "the kernel does not count them (/proc/vmstat)"),
        Some(0) => verdicts.pass(&OOM),
        Some(kills) => {
            let fix = Fix::command(
                "Find which processes were ended and why, then give the host more memory or limit them.",
                "journalctl -k | grep -i 'killed process'",
            );
            verdicts.fail(&OOM, "memory", format!("{kills} or more since the host was started (/proc/vmstat)"), fix);
        }
    }
}

fn check_kernel(observed: &Observed, verdicts: &mut Verdicts) {
    match observed.clock_synchronised {
        None => verdicts.unknown(&CLOCK, "the kernel does not say (adjtimex)"),
        Some(true) => verdicts.pass(&CLOCK),
        Some(false) => {
            let fix = Fix::command(
                "Run one service that sets the clock: chrony, ntpsec or systemd-timesyncd.",
                "timedatectl set-ntp true",
            );
            verdicts.fail(&CLOCK, "clock", "adjtimex says STA_UNSYNC", fix);
        }
    }
    match observed.kernel.zombies {
        None => verdicts.unknown(&ZOMBIE, "/proc cannot be listed"),
        Some(zombies) if zombies >= ZOMBIES => {
            let fix = Fix::command(
                "Restart the parent that does not collect them; the command counts them by parent.",
                "ps -eo stat,ppid | awk '$1 ~ /^Z/ {print $2}' | sort | uniq -c | sort -n | tail",
            );
            verdicts.fail(&ZOMBIE, "processes", format!("{zombies} or more zombies"), fix);
        }
        Some(_) => verdicts.pass(&ZOMBIE),
    }
    match observed.kernel.open_files_percent {
        None => verdicts.unknown(&FILE_HANDLES, "/proc/sys/fs/file-nr cannot be read"),
        Some(percent) if percent >= FILE_HANDLES_PERCENT => {
            let fix = Fix::text("Find the program that does not close its files (lsof), or raise fs.file-max.");
            verdicts.fail(
                &FILE_HANDLES,
                "files",
                format!("{percent} % of the limit in use (/proc/sys/fs/file-nr)"),
                fix,
            );
        }
        Some(_) => verdicts.pass(&FILE_HANDLES),
    }
}
