//! Troubles, for real: each is told once on a webhook and by mail, with its cause, and once when it
//! is over.

use crate::fleet::{Fleet, Member};
use crate::running::until;
use crate::sink::{self, Told};
use nix::sys::signal::Signal;
use palisade_sandbox::run;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The receivers, and the channels and the policy that lead to them.
struct Receivers {
    webhook: Told,
    mail: Told,
}

impl Receivers {
    fn start(fleet: &Fleet) -> Receivers {
        let (webhook_at, webhook) = sink::webhook();
        let (mail_at, mail) = sink::smtp();
        let documents = format!(
            r#"
kind: NotificationChannel
name: hook
spec: {{ type: webhook, url: "http://{webhook_at}/alarms", allow_private: true }}
---
kind: NotificationChannel
name: mail
spec:
  type: smtp
  host: {mail_host}
  port: {mail_port}
  tls: none
  from: palisade@example.org
  to: [ops@example.org]
  allow_private: true
---
kind: NotificationPolicy
name: all
spec: {{ match: {{}}, channels: [hook, mail], group_by: [alertname, host], group_wait: 0s, group_interval: 1s }}
"#,
            mail_host = mail_at.ip(),
            mail_port = mail_at.port(),
        );
        apply(fleet, &documents);
        Receivers { webhook, mail }
    }

    /// Waits until `rule` was told by both ways; it must have been told exactly once.
    fn wait(&self, rule: &str, status: &str) -> serde_json::Value {
        until(&format!("{rule} is told as {status}"), || {
            self.webhook.alert(rule, status).0 > 0 && self.mail.mails(rule, status) > 0
        });
        self.webhook.alert(rule, status).1
    }

    /// Every alarm was told once as firing and once as resolved, by each way.
    fn once(&self, rules: &[&str]) {
        for rule in rules {
            for status in ["firing", "resolved"] {
                assert_eq!(self.webhook.alert(rule, status).0, 1, "{rule} {status}: {:#?}", self.webhook.alerts());
                let mails = self.mail.mails(rule, status);
                assert_eq!(mails, 1, "{rule} {status}: {:#?}", self.mail.all());
            }
        }
    }
}

fn apply(fleet: &Fleet, documents: &str) {
    let file = fleet.server().dir.path().join("documents.yaml");
    std::fs::write(&file, documents).unwrap();
    fleet.server().ok(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

/// A program under a name of its own.
fn program(dir: &Path, original: &str, name: &str) -> PathBuf {
    let copy = dir.join(name);
    std::fs::copy(original, &copy).unwrap();
    copy
}

/// A process that the test has started, which ends with it.
struct Own(Child);

impl Own {
    fn start(command: &mut Command) -> Own {
        Own(command.spawn().unwrap())
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn joined(fleet: &Fleet, n: usize, name: &str) -> Member {
    let mut member = fleet.join(n, name, &[]);
    member.run();
    fleet.wait_for(name, "online");
    member
}

#[test]
fn a_cpu_hog_a_full_disk_memory_pressure_and_a_dead_process_are_told_once_with_their_cause_and_once_when_over() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let work = tempfile::tempdir().unwrap();
    let disk = work.path().join("disk");
    if let Err(why) = small_disk(work.path(), &disk) {
        return println!("skipped: {why}");
    }
    let squeeze = match Squeeze::new() {
        Ok(squeeze) => squeeze,
        Err(why) => return println!("skipped: {why}"),
    };
    let receivers = Receivers::start(&fleet);
    let _member = joined(&fleet, 0, "db-1");
    let mut worker = Own::start(Command::new(program(work.path(), "/bin/sleep", "pal-worker")).arg("600"));
    apply(
        &fleet,
        &format!(
            r#"
kind: Sampling
name: fast
spec: {{ scope: {{ hosts: [db-1] }}, interval: 1s }}
---
kind: ProcessWatch
name: hog
spec: {{ scope: {{ hosts: [db-1] }}, name: pal-hog }}
---
kind: ProcessWatch
name: worker
spec: {{ scope: {{ hosts: [db-1] }}, name: pal-worker }}
---
kind: AlarmRule
name: cpu-hog
spec:
  scope: {{ hosts: [db-1] }}
  severity: major
  policies:
    - {{ metric: watch_cpu_ratio, labels: {{ watch: hog }}, statistic: latest, period: raw, operator: ">", threshold: 0.2, recover: 0.05, count: 2, of: 3 }}
---
kind: AlarmRule
name: disk-full
spec:
  scope: {{ hosts: [db-1] }}
  severity: critical
  policies:
    - {{ metric: disk_usedPercent, labels: {{ mount: "{disk}" }}, statistic: latest, period: raw, operator: ">=", threshold: 90, recover: 50, count: 1, of: 1 }}
---
kind: AlarmRule
name: memory-pressure
spec:
  scope: {{ hosts: [db-1] }}
  severity: high
  policies:
    - {{ metric: pressure_memory_some_ratio, statistic: latest, period: raw, operator: ">", threshold: 0.03, recover: 0.005, count: 2, of: 5 }}
---
kind: AlarmRule
name: worker-dead
spec:
  scope: {{ hosts: [db-1] }}
  severity: high
  policies:
    - {{ metric: watch_processes, labels: {{ watch: worker }}, statistic: latest, period: raw, operator: "<", threshold: 1, count: 2, of: 2 }}
"#,
            disk = disk.display()
        ),
    );
    until("the watched process is seen", || {
        let said = fleet.server().ok(&["monitor", "query", "watch_processes{watch=\"worker\"}"]);
        said.lines().any(|line| line.contains("worker") && line.trim_end().ends_with(" 1"))
    });

    let mut hog = Command::new(program(work.path(), "/usr/bin/sha256sum", "pal-hog"));
    let mut hog = Own::start(hog.arg("/dev/zero").stdout(Stdio::null()));
    let told = receivers.wait("cpu-hog", "firing");
    assert!(told["annotations"]["cause"].as_str().unwrap_or_default().contains("pal-hog"), "{told:#}");
    assert!(told["annotations"]["command"].as_str().unwrap_or_default().contains("/dev/zero"), "{told:#}");
    assert_eq!(told["annotations"]["pid"], hog.0.id().to_string(), "{told:#}");
    hog.end();
    receivers.wait("cpu-hog", "resolved");

    let filler = program(work.path(), "/bin/dd", "pal-filler");
    let filled = disk.join("filled");
    run(filler.to_str().unwrap(), &["if=/dev/zero", &format!("of={}", filled.display()), "bs=64K", "count=900"])
        .expect_err("there is not so much room");
    let told = receivers.wait("disk-full", "firing");
    assert_eq!(told["labels"]["mount"], disk.to_str().unwrap());
    std::fs::remove_file(&filled).unwrap();
    receivers.wait("disk-full", "resolved");

    let mut thrash = squeeze.thrash(work.path());
    let told = receivers.wait("memory-pressure", "firing");
    assert_eq!(told["labels"]["host"], "db-1");
    thrash.end();
    receivers.wait("memory-pressure", "resolved");

    worker.end();
    receivers.wait("worker-dead", "firing");
    let mut worker = Own::start(Command::new(work.path().join("pal-worker")).arg("600"));
    receivers.wait("worker-dead", "resolved");
    worker.end();

    receivers.once(&["cpu-hog", "disk-full", "memory-pressure", "worker-dead"]);
    run("umount", &[disk.to_str().unwrap()]).unwrap();
}

#[test]
fn a_closed_port_an_expiring_certificate_a_stopped_agent_and_a_cut_link_are_told_once_and_once_when_over() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let receivers = Receivers::start(&fleet);
    let mut stopped = joined(&fleet, 0, "stopped");
    let cut = joined(&fleet, 1, "cut");
    let work = tempfile::tempdir().unwrap();
    let mut site = tls_site(work.path(), "4");
    let door = TcpListener::bind("127.0.0.1:7001").unwrap();
    apply(
        &fleet,
        r#"
kind: Probe
name: door
spec: { host: stopped, type: tcp, target: "127.0.0.1:7001", interval: 10s, timeout: 2s, allow_private: true }
---
kind: Probe
name: site
spec: { host: stopped, type: tls, target: "127.0.0.1:7002", interval: 10s, timeout: 2s, allow_private: true }
---
kind: AlarmRule
name: port-closed
spec:
  severity: high
  policies:
    - { metric: probe_up, labels: { probe: door }, statistic: latest, period: raw, operator: "<", threshold: 1, count: 1, of: 1 }
---
kind: AlarmRule
name: certificate-ends
spec:
  severity: medium
  policies:
    - { metric: probe_tls_days_left, labels: { probe: site }, statistic: latest, period: raw, operator: "<", threshold: 14, count: 1, of: 1 }
---
kind: AlarmRule
name: host-silent
spec:
  severity: high
  event: { kind: frame.host.silent, clear: frame.host.back }
  settle: 0s
"#,
    );
    receivers.wait("certificate-ends", "firing");
    site.end();
    let mut site = tls_site(work.path(), "90");
    receivers.wait("certificate-ends", "resolved");
    site.end();

    drop(door);
    let told = receivers.wait("port-closed", "firing");
    assert_eq!(told["labels"]["probe"], "door", "{told:#}");
    let _door = TcpListener::bind("127.0.0.1:7001").unwrap();
    receivers.wait("port-closed", "resolved");

    for (name, verdict) in [("stopped", "ended"), ("cut", "unreachable")] {
        let firing = |receivers: &Receivers| {
            let all = receivers.webhook.alerts();
            all.iter()
                .filter(|(s, a)| {
                    s == "firing" && a["labels"]["host"] == name && a["labels"]["alertname"] == "host-silent"
                })
                .count()
        };
        match name {
            "stopped" => stopped.end(Signal::SIGTERM),
            _ => cut.peer.set_link(false).unwrap(),
        }
        fleet.wait_for(name, verdict);
        until(&format!("{name} is told as silent"), || firing(&receivers) > 0);
        match name {
            "stopped" => stopped.run(),
            _ => cut.peer.set_link(true).unwrap(),
        }
        fleet.wait_for(name, "online");
        until(&format!("{name} is told as back"), || {
            receivers.webhook.alerts().iter().any(|(s, a)| {
                s == "resolved" && a["labels"]["host"] == name && a["labels"]["alertname"] == "host-silent"
            })
        });
        assert_eq!(firing(&receivers), 1, "{:#?}", receivers.webhook.alerts());
    }
    receivers.once(&["port-closed", "certificate-ends"]);
}

/// A file system of 16 MB in a file, mounted in the test's own mount namespace.
fn small_disk(work: &Path, at: &Path) -> Result<(), String> {
    std::fs::create_dir(at).unwrap();
    let image = work.join("image");
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    run("mkfs.ext4", &["-q", image.to_str().unwrap()])?;
    run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]).map(|_| ())
}

/// A memory cgroup of 48 MB, removed at the end.
struct Squeeze(PathBuf);

impl Squeeze {
    fn new() -> Result<Squeeze, String> {
        let dir = Path::new("/sys/fs/cgroup/memory").join(format!("palisade-test-{}", std::process::id()));
        std::fs::create_dir(&dir).map_err(|e| format!("no memory cgroup of its own: {e}"))?;
        let squeeze = Squeeze(dir);
        std::fs::write(squeeze.0.join("memory.limit_in_bytes"), "48M").map_err(|e| format!("no memory limit: {e}"))?;
        Ok(squeeze)
    }

    /// A process that reads a file of 200 MB again and again with room for 48.
    fn thrash(&self, work: &Path) -> Own {
        let big = work.join("big");
        std::fs::File::create(&big).unwrap().set_len(200 << 20).unwrap();
        run("dd", &["if=/dev/urandom", &format!("of={}", big.display()), "bs=1M", "count=200", "conv=fsync"]).unwrap();
        let script = "import mmap,os,sys\nf=open(sys.argv[1],'rb')\nos.posix_fadvise(f.fileno(),0,0,os.POSIX_FADV_DONTNEED)\nm=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\nn=len(m)\nwhile True:\n  for i in range(0,n,4096): m[i]";
        let procs = self.0.join("cgroup.procs");
        let mut command = Command::new("python3");
        command.args(["-c", script, big.to_str().unwrap()]);
        // SAFETY: writes a few bytes to a file, nothing else, between fork and exec
        unsafe {
            command.pre_exec(move || std::fs::write(&procs, "0"));
        }
        Own::start(&mut command)
    }
}

impl Drop for Squeeze {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A TLS server at port 7002 with a certificate that ends in so many days.
fn tls_site(work: &Path, days: &str) -> Own {
    let path = |name: &str| work.join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            days,
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    )
    .unwrap();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-quiet", "-accept", "127.0.0.1:7002", "-key", &key, "-cert", &certificate]);
    Own::start(server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}
