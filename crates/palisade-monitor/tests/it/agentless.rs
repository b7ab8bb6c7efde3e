//! Hosts without an agent, with Debian's own sshd in a network of the test's own.

use crate::outside::{Outside, until};
use http::StatusCode;
use palisade_guard::api::Role;
use palisade_guard::store::{self as frame_store, HostRow};
use palisade_monitor::probe::agentless::login::{Fault, Login, OUTPUT_BYTES_MAX, Visit, visit};
use palisade_monitor::probe::agentless::round::{Hosts, Kept};
use palisade_monitor::probe::agentless::{key, line, sampled};
use palisade_sandbox::{Link, Peer, enter_netns};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PORT: u16 = 2_222;

/// A machine beside the server with an sshd, and an account `palisade` that exists in its mounts only.
struct Machine {
    peer: Peer,
    dir: tempfile::TempDir,
    sshd: Option<Child>,
}

impl Machine {
    fn new() -> Result<Machine, String> {
        enter_netns()?;
        let peer = Peer::beside(&Link { here: &["10.99.0.1/24"], there: &["10.99.0.2/24"] })?;
        // privilege separation wants its directory; the machine's own stays as it is
        palisade_sandbox::run("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
        std::fs::create_dir("/run/sshd").map_err(|e| e.to_string())?;
        let dir = tempfile::tempdir().unwrap();
        let mut machine = Machine { peer, dir, sshd: None };
        machine.account()?;
        for name in ["one", "two"] {
            let key = machine.path(name);
            palisade_sandbox::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])?;
        }
        machine.start("one")?;
        Ok(machine)
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn account(&self) -> Result<(), String> {
        let home = self.path("home");
        std::fs::create_dir(&home).unwrap();
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())?;
        let lines: Vec<&str> = passwd.lines().filter(|line| !line.starts_with("palisade:")).collect();
        let own = format!("palisade:*:64123:64123::{home}:/bin/sh");
        std::fs::write(self.path("passwd"), format!("{}\n{own}\n", lines.join("\n"))).unwrap();
        // the way to the file must be open to the account, which sshd becomes before it reads
        use std::os::unix::fs::PermissionsExt;
        for path in [self.dir.path(), Path::new(&self.path("passwd"))] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        palisade_sandbox::run("mount", &["--bind", &self.path("passwd"), "/etc/passwd"]).map(|_| ())
    }

    /// Starts sshd with this host key, ending the one before.
    fn start(&mut self, host_key: &str) -> Result<(), String> {
        self.stop();
        let mut command = Command::new("/usr/sbin/sshd");
        let authorized = format!("AuthorizedKeysFile={}", self.path("authorized_keys"));
        command
            .args(["-D", "-e", "-f", "/dev/null", "-h", &self.path(host_key), "-p", &PORT.to_string()])
            .args(["-o", "ListenAddress=10.99.0.2", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "StrictModes=no"])
            .args(["-o", &authorized, "-o", "Subsystem=sftp internal-sftp"])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let child = self.peer.run(move || command.spawn()).map_err(|e| format!("starting sshd: {e}"))?;
        self.sshd = Some(child);
        for _ in 0..200 {
            if std::net::TcpStream::connect(("10.99.0.2", PORT)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        Err("sshd does not listen".to_owned())
    }

    fn stop(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }

    fn authorize(&self, line: &str) {
        std::fs::write(self.path("authorized_keys"), format!("{line}\n")).unwrap();
    }

    fn fingerprint(&self, host_key: &str) -> String {
        let said = palisade_sandbox::run("ssh-keygen", &["-lf", &self.path(host_key)]).unwrap();
        said.split_whitespace().nth(1).unwrap().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a test beside a machine; nothing where there can be none.
fn beside<F: Future<Output = ()>>(test: impl FnOnce(Machine) -> F) {
    match Machine::new() {
        // threads of the runtime are started inside
        Ok(machine) => {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test(machine))
        }
        Err(why) => println!("skipped: {why}"),
    }
}

async fn server(address: &str) -> Outside {
    let server = Outside::new().await;
    let mut tx = server.context.begin().await.unwrap();
    let row = HostRow::new("db-1".parse().unwrap(), server.context.now());
    let kind = palisade_core::HostKind::Agentless;
    frame_store::host_put(&mut tx, &HostRow { kind, address: Some(address.to_owned()), ..row }).await.unwrap();
    tx.commit().await.unwrap();
    server
}

/// Waits for a visit that ended after the one of `before`.
async fn visited(server: &Outside, before: &Value) -> Value {
    until("a visit", || async {
        let view = server.get("agentless/db-1").await;
        (view["last"].is_object() && view["last"]["at"] != before["last"]["at"]).then_some(view)
    })
    .await
}

async fn pin(server: &Outside, fingerprint: &str) -> Value {
    let body = json!({ "fingerprint": fingerprint });
    let (status, view) = server.call("POST", "agentless/db-1/pin", Role::Operator, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    assert!(view["last"].is_null(), "it is looked at again at once");
    view
}

#[test]
fn a_host_is_logged_in_to_when_its_key_is_confirmed_and_it_lets_the_server_in() {
    beside(|machine| async move {
        let server = server("10.99.0.2:2222").await;
        server.run();
        let first = visited(&server, &Value::Null).await;
        assert_eq!(first["host_key"], json!({ "fingerprint": machine.fingerprint("one") }));
        assert!(first["last"]["error"].as_str().unwrap().contains("is not confirmed yet"), "{first}");
        assert!(server.newest("db-1").await.is_empty() && server.told().is_empty());

        let view = pin(&server, &machine.fingerprint("one")).await;
        let second = visited(&server, &view).await;
        let why = second["last"]["error"].as_str().unwrap();
        assert!(why.contains("does not take the server's key for account `palisade`"), "{why}");
        assert_eq!(server.newest("db-1").await["host_up"], 0.0);

        machine.authorize(view["authorized_line"].as_str().unwrap());
        server.advance(300);
        let third = visited(&server, &second).await;
        assert_eq!(third["last"]["ok"], true, "{third}");
        // rates need a second reading of counters that have moved on
        server.advance(300);
        let fourth = visited(&server, &third).await;
        assert_eq!(fourth["last"]["ok"], true, "{fourth}");
        let values = server.newest("db-1").await;
        for name in
            ["cpu_usage_ratio", "memory_used_ratio", "load1", "uptime_seconds", "tcp_sockets", "host_login_seconds"]
        {
            assert!(values.contains_key(name), "{name}: {values:?}");
        }
        for prefix in ["network_receive_bytes_rate{", "network_transmit_bytes_rate{"] {
            assert!(values.keys().any(|key| key.starts_with(prefix)), "{prefix}: {values:?}");
        }
        assert_eq!(values["host_up"], 1.0);
        assert!(!values.keys().any(|key| key.starts_with("agent_")), "no agent is there: {values:?}");
    });
}

#[test]
fn a_host_with_another_key_is_refused_and_told_of_once() {
    beside(|mut machine| async move {
        let server = server("10.99.0.2:2222").await;
        machine.authorize(&line::authorized(&key::public(&key::key(&server.context).await.unwrap()).unwrap()));
        pin(&server, &machine.fingerprint("one")).await;
        server.run();
        let mut view = visited(&server, &Value::Null).await;
        assert_eq!(view["last"]["ok"], true, "{view}");
        machine.start("two").unwrap();
        for _ in 0..2 {
            server.advance(300);
            view = visited(&server, &view).await;
            assert!(view["last"]["error"].as_str().unwrap().contains("not the confirmed one"), "{view}");
        }
        assert_eq!(view["shown_key"]["fingerprint"], machine.fingerprint("two"));
        assert_eq!(server.told(), ["monitor.host-key.pin", "monitor.host-key.change"]);
        assert_eq!(server.newest("db-1").await["host_up"], 0.0);
    });
}

#[test]
fn a_host_that_is_away_is_told_of_after_its_second_failure_and_when_it_is_back() {
    beside(|mut machine| async move {
        let server = server("10.99.0.2:2222").await;
        machine.authorize(&line::authorized(&key::public(&key::key(&server.context).await.unwrap()).unwrap()));
        pin(&server, &machine.fingerprint("one")).await;
        server.run();
        let view = visited(&server, &Value::Null).await;
        machine.stop();
        server.advance(300);
        let view = visited(&server, &view).await;
        assert_eq!(server.told(), ["monitor.host-key.pin"], "{view}");
        server.advance(20);
        let view = visited(&server, &view).await;
        assert_eq!(server.told().last().unwrap(), "monitor.host.unreachable");
        assert!(view["last"]["error"].as_str().unwrap().contains("refused"), "{view}");
        machine.start("one").unwrap();
        server.advance(300);
        visited(&server, &view).await;
        assert_eq!(server.told()[1..], ["monitor.host.unreachable", "monitor.host.reachable"]);
        assert_eq!(server.newest("db-1").await["host_up"], 1.0);
    });
}

#[test]
fn nothing_but_the_line_runs_with_the_servers_key() {
    beside(|machine| async move {
        let server = server("10.99.0.2:2222").await;
        let key = key::key(&server.context).await.unwrap();
        machine.authorize(&line::authorized(&key::public(&key).unwrap()));
        let private = machine.path("private");
        std::fs::write(&private, key.to_openssh(Default::default()).unwrap().as_bytes()).unwrap();
        palisade_sandbox::run("chmod", &["600", &private]).unwrap();
        let mark = machine.path("mark");
        let port = PORT.to_string();
        let base = ["-i", &private, "-p", &port, "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
        let base = [&base[..], &["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"]].concat();
        let touch = format!("touch {mark}");
        let substitution = format!("$(touch {mark}); `touch {mark}`");
        let to = "palisade@10.99.0.2";
        for asked in [&[to, &touch][..], &[to, &substitution], &["-tt", to, "sh"], &["-s", to, "sftp"], &[to]] {
            let said = palisade_sandbox::run("ssh", &[&base[..], asked].concat());
            let Ok(said) = said else {
                // a client that asks for what is refused may end with an error; what counts is what ran
                assert!(!Path::new(&mark).exists());
                continue;
            };
            assert!(said.trim_start().starts_with("==> uptime <=="), "{asked:?}: {said}");
            assert!(!Path::new(&mark).exists(), "{asked:?}");
        }
        let forwarded =
            [&base[..], &["-o", "ExitOnForwardFailure=yes", "-R", "10.99.0.2:8022:127.0.0.1:22", to]].concat();
        assert!(palisade_sandbox::run("ssh", &forwarded).is_err(), "no port is opened on the host");
        let said = palisade_sandbox::run("ssh", &[&base[..], &[to, "id"]].concat()).unwrap();
        assert!(!said.contains("uid=64123"), "{said}");
    });
}

#[tokio::test]
async fn the_key_is_made_once_sealed_and_its_line_is_ready_to_paste() {
    let server = server("watch@198.51.100.7:2022").await;
    let (view, again) = tokio::join!(server.get("agentless/db-1"), server.get("agentless/db-1"));
    assert_eq!(view, again);
    assert_eq!((&view["user"], &view["port"]), (&json!("watch"), &json!(2_022)));
    let public = view["public_key"].as_str().unwrap();
    assert!(
        public.starts_with("ssh-ed25519 ") && view["authorized_line"].as_str().unwrap().ends_with(public),
        "{view}"
    );
    let rows: Vec<(String,)> = sqlx::query_as("SELECT sealed FROM monitor_agentless_key")
        .fetch_all(&mut *server.context.db.read().acquire().await.unwrap())
        .await
        .unwrap();
    assert!(rows.len() == 1 && rows[0].0.starts_with("monitor/agentless-key:"), "{rows:?}");
}

#[tokio::test]
async fn only_an_operator_confirms_a_key_and_only_one_that_can_be_one() {
    let server = server("198.51.100.7").await;
    let good = "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDaqVE9hDLtWnBEFGQ";
    let pin = |role, text: &str| {
        let body = json!({ "fingerprint": text });
        let server = &server;
        async move { server.call("POST", "agentless/db-1/pin", role, Some(body)).await.0 }
    };
    assert_eq!(pin(Role::Viewer, good).await, StatusCode::FORBIDDEN);
    for wrong in ["", "SHA256:", "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "SHA256:zz", "* "] {
        assert_eq!(pin(Role::Operator, wrong).await, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(pin(Role::Operator, good).await, StatusCode::OK);
    assert_eq!(server.call("GET", "agentless/none", Role::Viewer, None).await.0, StatusCode::NOT_FOUND);
}

async fn login(server: &Outside, address: &str, pinned: Option<String>) -> Login {
    let key = key::key(&server.context).await.unwrap();
    Login { host: "db-1".parse().unwrap(), address: address.parse().unwrap(), pinned, key }
}

#[test]
fn a_hostile_host_does_no_harm() {
    beside(|machine| async move {
        let server = server("10.99.0.2:2222").await;
        let login_to = login(&server, "10.99.0.2:2222", Some(machine.fingerprint("one"))).await;
        let public = key::public(&login_to.key).unwrap();
        machine.authorize(&format!("restrict,command=\"yes\" {public}"));
        let endless = visit(&login_to).await.output.unwrap_err();
        assert_eq!(endless, Fault::Nonsense(format!("it printed more than {OUTPUT_BYTES_MAX} bytes")));
        machine.authorize(&format!("restrict,command=\"printf 'no \\033[31m'\" {public}"));
        let nonsense = sampled(&visit(&login_to).await, server.context.now()).map(|_| ()).unwrap_err();
        assert_eq!(nonsense.to_string(), "it printed something else than its line prints: `no  [31m`");

        let listener = tokio::net::TcpListener::bind("10.99.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while tokio::io::AsyncWriteExt::write_all(&mut stream, &[7; 4096]).await.is_ok() {}
                });
            }
        });
        let garbage = visit(&login(&server, &address, None).await).await;
        assert!(matches!(&garbage.output, Err(Fault::Unreached(_))) && garbage.shown.is_none(), "{garbage:?}");
        let here = visit(&login(&server, "127.0.0.1:2222", None).await).await.output.unwrap_err();
        assert!(here.to_string().contains("is an address of the server itself"), "{here}");
    });
}

#[tokio::test]
async fn a_visit_that_began_before_a_key_was_confirmed_is_not_kept() {
    let server = server("198.51.100.7").await;
    let mut hosts = Hosts::default();
    hosts.read(&mut server.context.db.read().acquire().await.unwrap()).await.unwrap();
    let fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDaqVE9hDLtWnBEFGQ";
    pin(&server, fingerprint).await;
    let shown = Visit { shown: None, login_s: 0.0, output: Err(Fault::Unreached("refused".to_owned())) };
    let before = login(&server, "198.51.100.7", None).await;
    let after = Login { pinned: Some(fingerprint.to_owned()), ..before.clone() };
    for (login, kept) in [(before, Kept::Not), (after, Kept::Quietly)] {
        let mut tx = server.context.begin().await.unwrap();
        let scene = (&mut *tx, &server.context, &server.monitor.store);
        assert_eq!(hosts.visited(scene, &login, &shown, server.context.now()).await.unwrap(), kept);
        tx.commit().await.unwrap();
        let view = server.get("agentless/db-1").await;
        assert_eq!(view["last"].is_object(), kept == Kept::Quietly, "{view}");
    }
}
