//! `palisade install`: what is written, that the operator's files are left alone, and that systemd
//! takes the units.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const FILES: [&str; 6] = [
    "usr/bin/palisade",
    "usr/lib/sysusers.d/palisade.conf",
    "usr/lib/systemd/system/palisade-server.service",
    "usr/lib/systemd/system/palisade-agent.service",
    "etc/palisade/config.toml",
    "etc/palisade/permit.toml",
];
const PALISADE: &str = env!("CARGO_BIN_EXE_palisade");

fn install(prefix: &Path, more: &[&str]) -> String {
    let mut command = Command::new(PALISADE);
    command.args(["install", "--prefix"]).arg(prefix).args(more).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The first word of each line: what was done with each file.
fn acts(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn an_installation_has_all_files_and_a_second_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(acts(&install(dir.path(), &[])), ["created"; 6]);
    for file in FILES {
        let mode = fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if file.ends_with("bin/palisade") { 0o755 } else { 0o644 }, "{file}");
    }
    assert_eq!(fs::read(dir.path().join(FILES[0])).unwrap(), fs::read(PALISADE).unwrap());
    assert_eq!(acts(&install(dir.path(), &[])), ["unchanged", "unchanged", "unchanged", "unchanged", "kept", "kept"]);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let said = install(dir.path(), &["--dry-run"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("would create")).count(), FILES.len());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_host_that_joins_a_server_elsewhere_gets_the_agent_only() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), &["--agent-only"]);
    let here: Vec<bool> = FILES.iter().map(|file| dir.path().join(file).exists()).collect();
    assert_eq!(here, [true, false, false, true, true, true]);
}

#[test]
fn the_configuration_of_the_operator_is_kept_and_an_old_unit_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), &[]);
    for file in &FILES[2..] {
        fs::write(dir.path().join(file), "# changed by hand\n").unwrap();
    }
    assert_eq!(acts(&install(dir.path(), &[])), ["unchanged", "unchanged", "replaced", "replaced", "kept", "kept"]);
    assert_eq!(fs::read_to_string(dir.path().join(FILES[5])).unwrap(), "# changed by hand\n");
    assert!(fs::read_to_string(dir.path().join(FILES[3])).unwrap().contains("[Service]"));
}

#[test]
fn an_installed_program_installs_over_itself() {
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), &[]);
    let mut command = Command::new(dir.path().join(FILES[0]));
    let output = command.args(["install", "--prefix"]).arg(dir.path()).output().unwrap();
    assert_eq!(acts(&String::from_utf8(output.stdout).unwrap())[0], "unchanged");
}

/// The unit with the test's own program, because systemd asks that the program exists.
fn unit(dir: &Path, name: &str) -> std::path::PathBuf {
    install(dir, &[]);
    let text = fs::read_to_string(dir.join("usr/lib/systemd/system").join(name)).unwrap();
    assert!(text.contains("ExecStart=/usr/bin/palisade "), "{text}");
    let path = dir.join(name);
    fs::write(&path, text.replace("=/usr/bin/palisade ", &format!("={PALISADE} "))).unwrap();
    path
}

/// What `systemd-analyze` says, or `None` where there is none.
fn analyze(args: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(args).arg(unit).stdin(Stdio::null()).output();
    match output {
        Err(_) => {
            println!("skipped: systemd-analyze is not installed");
            None
        }
        Ok(output) => Some(output),
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["palisade-server.service", "palisade-agent.service"] {
        let Some(output) = analyze(&["verify", "--recursive-errors=no"], &unit(dir.path(), name)) else { return };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains(name), "{said}");
    }
}

#[test]
fn the_units_are_hardened_as_far_as_their_work_allows() {
    let dir = tempfile::tempdir().unwrap();
    // tenths of systemd's exposure level: an unhardened unit has 92 to 96
    for (name, exposure_max) in [("palisade-server.service", 20), ("palisade-agent.service", 40)] {
        let threshold = format!("--threshold={exposure_max}");
        let args = ["security", "--offline=true", "--no-pager", &threshold];
        let Some(output) = analyze(&args, &unit(dir.path(), name)) else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
