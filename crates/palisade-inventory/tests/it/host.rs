//! Looks at this machine, and at small trees.

use palisade_core::{HostId, Timestamp, Verdicts};
use palisade_guard::Host;
use palisade_inventory::model::Observed;
use palisade_inventory::observe::Seen;
use palisade_inventory::{guard, observe};
use palisade_sys::Root;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn judged(observed: &Observed) -> Verdicts {
    let host: HostId = "here".parse().unwrap();
    let value = serde_json::to_value(observed).unwrap();
    guard().observer.judge(value, &host, Timestamp::now()).unwrap()
}

fn observed() -> Observed {
    observe::observe(&Root::live(), Timestamp::now(), &Seen::default())
}

#[test]
fn a_listener_of_this_process_is_listed_with_its_name() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let observed = observed();
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let row = observed.ports.unwrap().rows.into_iter().find(|row| row.port == port).unwrap();
    assert_eq!((row.protocol.as_str(), row.address.as_str()), ("tcp", "127.0.0.1"));
    assert_eq!((row.process.as_deref(), row.pid), (Some(name.trim_end()), Some(std::process::id())));
    assert_eq!(row.package, None);
    // it listens, so it counts however young it is
    let own = observed.processes.unwrap().rows.into_iter().find(|row| row.pid == std::process::id()).unwrap();
    assert_eq!(own.exe.as_deref(), std::env::current_exe().unwrap().to_str());
}

#[test]
fn a_process_that_runs_from_tmp_is_found_at_once() {
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let program = dir.path().join("sleep");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let child = Running(Command::new(&program).arg("60").spawn().unwrap());
    let verdicts = judged(&observed());
    let finding = verdicts
        .findings
        .iter()
        .find(|f| f.check == "inventory.process-from-tmp" && f.object == program.to_str().unwrap())
        .unwrap();
    assert!(finding.evidence.contains(&format!("process {} `sleep`", child.0.id())), "{}", finding.evidence);
    assert!(finding.evidence.ends_with("sleep 60"), "{}", finding.evidence);
}

#[test]
fn a_process_whose_program_was_removed_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("gone");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let _child = Running(Command::new(&program).arg("60").spawn().unwrap());
    std::fs::remove_file(&program).unwrap();
    // it counts when it is a minute old
    let later = Timestamp::from_second(Timestamp::now().as_second() + 61).unwrap();
    let verdicts = judged(&observe::observe(&Root::live(), later, &Seen::default()));
    let said = |f: &&palisade_core::Finding| {
        f.check == "inventory.deleted-executable" && f.object == program.to_str().unwrap()
    };
    assert!(verdicts.findings.iter().find(said).unwrap().evidence.starts_with("has been removed"));
}

#[test]
fn two_looks_at_a_host_where_nothing_happens_are_the_same() {
    // other tests start and end processes and sockets meanwhile: those are compared elsewhere
    let still = |mut o: Observed| {
        o.ports = None;
        o.processes = None;
        serde_json::to_value(o).unwrap()
    };
    assert_eq!(still(observed()), still(observed()));
    let own = |o: Observed| o.processes.unwrap().rows.into_iter().find(|row| row.pid == 1);
    assert_eq!(own(observed()), own(observed()));
}

#[test]
fn every_observation_is_read_back_as_it_was() {
    let observed = observed();
    let text = serde_json::to_string(&observed).unwrap();
    assert_eq!(serde_json::from_str::<Observed>(&text).unwrap(), observed);
}

#[test]
fn a_look_at_this_machine_runs_every_check_of_the_kernel_and_is_fast() {
    let host = Host { id: "here".parse().unwrap(), root: Root::live() };
    let look = guard().observer.look(&host, Timestamp::now());
    assert_eq!(look.error, None);
    let again = std::time::Instant::now();
    let second = guard().observer.look(&host, Timestamp::now());
    println!("second look: {:?}, {} findings, {} runs", again.elapsed(), second.findings.len(), second.runs.len());
    let ran: Vec<&str> = look.runs.iter().map(|run| run.check.as_str()).collect();
    for check in guard().checks {
        assert!(ran.contains(&check.id) || check.id == "inventory.umask", "{} did not run", check.id);
    }
}

fn write(base: &Path, path: &str, text: &str) {
    let path = base.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_tree_of_files_has_no_processes_and_its_checks_are_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(base, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n");
    write(base, "etc/shadow", "root:$y$j9T$x$y:19700:0:99999:7:::\nwww-data:*:19700:0:99999:7:::\n");
    write(base, "etc/group", "root:x:0:\nwww-data:x:33:\n");
    write(base, "etc/login.defs", "# UMASK 077\nUMASK\t\t022\n");
    write(base, "etc/security/limits.conf", "# * hard core 0\n*\thard\tcore\t0\n");
    write(base, "etc/nginx/nginx.conf", "http { server { root /srv/www; } }\n");
    write(
        base,
        "var/lib/dpkg/status",
        "Package: telnetd\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.17-1\n\n",
    );
    write(base, "var/lib/dpkg/info/telnetd.list", "/.\n/usr\n/usr/sbin/in.telnetd\n");
    let observed = observe::observe(&Root::scratch(base).unwrap(), Timestamp::now(), &Seen::default());
    assert_eq!((&observed.ports, &observed.processes, &observed.modules), (&None, &None, &None));
    let accounts = &observed.accounts.as_ref().unwrap().rows;
    assert_eq!(
        accounts.iter().map(|a| (a.name.as_str(), a.can_log_in, a.password.as_str())).collect::<Vec<_>>(),
        [("root", true, "yescrypt"), ("www-data", false, "disabled")]
    );
    assert_eq!(accounts[0].last_change.as_deref(), Some("2023-12-09"));
    let verdicts = judged(&observed);
    let mut found: Vec<&str> = verdicts.findings.iter().map(|f| f.check.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["inventory.insecure-service", "inventory.umask"]);
    assert!(!verdicts.runs.iter().any(|run| run.check == "inventory.process-from-tmp"));
}

#[test]
fn a_planted_setuid_program_and_a_program_open_to_all_are_found_once() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(
        base,
        "var/lib/dpkg/status",
        "Package: passwd\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
    );
    write(base, "var/lib/dpkg/info/passwd.list", "/.\n/usr\n/usr/bin\n/usr/bin/passwd\n");
    let modes =
        [("usr/bin/passwd", 0o4755), ("usr/bin/open", 0o757), ("opt/a/b/.sh", 0o2755), ("usr/bin/data", 0o4644)];
    for (path, mode) in modes {
        write(base, path, "x");
        std::fs::set_permissions(base.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("usr/bin", base.join("bin")).unwrap();
    symlink("/usr/bin/passwd", base.join("usr/bin/alias")).unwrap();
    let verdicts = judged(&observe::observe(&Root::scratch(base).unwrap(), Timestamp::now(), &Seen::default()));
    let found: Vec<String> = verdicts
        .findings
        .iter()
        .filter(|f| f.check != "inventory.core-dumps")
        .map(|f| format!("{} {}", f.check, f.object))
        .collect();
    assert_eq!(found, ["inventory.path-world-writable /usr/bin/open", "inventory.setuid /opt/a/b/.sh"]);
}
