//! The user data for cloud-init, run for real: in a Debian that has nothing but itself and curl.
//!
//! debootstrap makes that Debian from the archive that this machine takes its own packages from; it is
//! kept as a tar file below the target directory. Everything else happens in namespaces.

use crate::joining::{holds, watch_until_end};
use crate::running::Palisade;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use palisade_sandbox::Namespace;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Loading and unpacking some 100 MB; a test that takes longer than four minutes is ended from outside.
const DEBOOTSTRAP_LIMIT: Duration = Duration::from_secs(200);

#[test]
fn a_new_machine_installs_itself_and_joins_by_its_user_data_and_a_second_run_does_nothing() {
    let debian = match debian() {
        Ok(debian) => debian,
        Err(why) => return println!("skipped: {why}"),
    };
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let root = unpacked(&debian);
    let script = palisade.ok(&["join-token", "create", "--region", "eu", "--cloud-init"]);
    let token = script.lines().find(|line| line.starts_with("plj_")).unwrap();

    for (from, to, said) in [
        ("\nsha256='", "\nsha256='00", "the server was upgraded"),
        ("\nlibc_minor='", "\nlibc_minor='9", "needs the GNU C library"),
        ("\narch='", "\narch='other-", "this machine is"),
    ] {
        let (ok, refused) = run(root.path(), &script.replace(from, to), token);
        assert!(!ok && refused.contains(said), "{refused}");
    }
    assert!(!root.path().join("usr/bin/palisade").exists(), "nothing was installed");

    let (ok, said) = run(root.path(), &script, token);
    assert!(ok && said.contains("joined https://127.0.0.1:8443 as "), "{said}");
    assert!(said.contains("start the agent with: palisade agent"), "there is no systemd in there: {said}");
    let inside = |path: &str| root.path().join(path).exists();
    assert!(inside("var/lib/palisade/agent/identity/host.pem") && inside("etc/palisade/permit.toml"));
    assert!(inside("usr/lib/systemd/system/palisade-agent.service"));
    assert!(!inside("usr/lib/systemd/system/palisade-server.service"), "it is no server");
    let binary = std::fs::read(crate::running::BINARY).unwrap();
    assert!(std::fs::read(root.path().join("usr/bin/palisade")).unwrap() == binary, "it has the server's own program");
    std::fs::remove_file(root.path().join("user-data")).unwrap();
    assert!(
        !holds(&root.path().join("var"), token) && !holds(&root.path().join("tmp"), token),
        "the token was removed"
    );
    let hosts = palisade.json(&["host", "list"]);
    let joined = |h: &&Value| h["name"] != "web-1";
    let names: Vec<_> = hosts["items"].as_array().unwrap().iter().filter(joined).map(|h| h["name"].clone()).collect();
    assert_eq!(names.len(), 1, "{hosts}");
    let tokens = palisade.json(&["join-token", "list"]);
    assert_eq!((&tokens["items"][0]["joined"][0], &tokens["items"][0]["uses_left"]), (&names[0], &0.into()));

    let (ok, said) = run(root.path(), &script, token);
    assert!(ok && said.contains("joined already"), "{said}");
}

/// Runs a script as cloud-init does: as root, in a file, with nothing on standard input. Whether it
/// ended well, and what it said.
fn run(root: &Path, script: &str, token: &str) -> (bool, String) {
    std::fs::write(root.join("user-data"), script).unwrap();
    let mut command = Command::new("chroot");
    command.arg(root).args(["/bin/sh", "/user-data"]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(watch_until_end(&mut child, token) > 0);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.success(), [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join(""))
}

/// A tree in a directory of its own, with processes to be seen in it; removed at the end.
struct Tree(tempfile::TempDir);

impl Tree {
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // or removing the tree would stop at files that are none
        let _ = umount2(&self.path().join("proc"), MntFlags::MNT_DETACH);
    }
}

fn unpacked(tar: &Path) -> Tree {
    assert!(palisade_sandbox::is_isolated(), "what is mounted here must be seen nowhere else");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let done = Command::new("tar").arg("-xpf").arg(tar).arg("-C").arg(dir.path()).status().unwrap();
    assert!(done.success());
    let (none, proc) = (None::<&str>, Some("proc"));
    mount(proc, &dir.path().join("proc"), proc, MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none).unwrap();
    Tree(dir)
}

/// The tar file of the tree; made when it is not there. `Err` is why the test has to be skipped.
fn debian() -> Result<PathBuf, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root for debootstrap".to_owned());
    }
    let (archive, suite) = archive().ok_or("no Debian archive in /etc/apt to take packages from")?;
    let tar = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debian-{suite}.tar"));
    if !tar.exists() {
        // in mounts of its own, because debootstrap mounts; in the machine's network, because it loads
        std::thread::spawn({
            let tar = tar.clone();
            move || {
                palisade_sandbox::enter(&[Namespace::Mount])?;
                bootstrap(&archive, &suite, &tar)
            }
        })
        .join()
        .map_err(|_| "making the Debian panicked")??;
    }
    Ok(tar)
}

fn bootstrap(archive: &str, suite: &str, tar: &Path) -> Result<(), String> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|e| e.to_string())?;
    let (root, part) = (dir.path().join("root"), tar.with_extension("part"));
    let log = std::fs::File::create(dir.path().join("log")).map_err(|e| e.to_string())?;
    let mut command = Command::new("debootstrap");
    command.args(["--variant=minbase", "--include=curl,ca-certificates", suite]).arg(&root).arg(archive);
    let child = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn();
    if !ended_well(child.map_err(|e| format!("debootstrap: {e}"))?) {
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        return Err(format!("debootstrap, last: {}", log.lines().last().unwrap_or("nothing")));
    }
    let packed = Command::new("tar").arg("-cpf").arg(&part).arg("-C").arg(&root).arg(".").status();
    if !packed.is_ok_and(|status| status.success()) {
        return Err("the Debian could not be packed".to_owned());
    }
    std::fs::rename(&part, tar).map_err(|e| e.to_string())
}

fn ended_well(mut child: Child) -> bool {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if start.elapsed() < DEBOOTSTRAP_LIMIT => std::thread::park_timeout(Duration::from_millis(100)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

/// Address and suite of the first archive that this machine takes packages from: sources.list(5) in
/// either form.
fn archive() -> Option<(String, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir("/etc/apt/sources.list.d").ok()?.flatten().map(|e| e.path()).collect();
    files.sort();
    files.insert(0, "/etc/apt/sources.list".into());
    let main = std::fs::read_to_string("/etc/os-release").ok()?;
    let suite = main.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?.to_owned();
    files.iter().filter_map(|file| std::fs::read_to_string(file).ok().map(|text| (file, text))).find_map(
        |(file, text)| {
            let deb822 = file.extension().is_some_and(|e| e == "sources");
            let found = if deb822 { deb822_archive(&text, &suite) } else { line_archive(&text, &suite) };
            found.map(|archive| (archive, suite.clone()))
        },
    )
}

fn deb822_archive(text: &str, suite: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let here = field("Suites:")?.split_whitespace().any(|s| s == suite) && field("Types:")?.contains("deb");
        here.then(|| field("URIs:")?.split_whitespace().next().map(str::to_owned)).flatten()
    })
}

fn line_archive(text: &str, suite: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.strip_prefix("deb ")?.split_whitespace().peekable();
        if words.peek().is_some_and(|word| word.starts_with('[')) {
            words.find(|word| word.ends_with(']'))?;
        }
        let (archive, of) = (words.next()?, words.next()?);
        (of == suite).then(|| archive.to_owned())
    })
}

#[test]
fn the_archive_is_found_in_both_forms_of_apts_sources() {
    let deb822 = "# x\nTypes: deb\nURIs: http://deb.example.org/debian\nSuites: stable stable-updates\n\nTypes: deb\nURIs: http://sec.example.org\nSuites: stable-security\n";
    assert_eq!(deb822_archive(deb822, "stable").as_deref(), Some("http://deb.example.org/debian"));
    let lines = "# deb x\ndeb-src http://src.example.org stable main\ndeb [arch=amd64 signed-by=/x] http://deb.example.org/debian stable main\n";
    assert_eq!(line_archive(lines, "stable").as_deref(), Some("http://deb.example.org/debian"));
    assert_eq!(line_archive(lines, "oldstable"), None);
}
