//! `palisade check`, without any server.

use crate::running::BINARY;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The ids that the design fixes.
const PRACTICES: &str = "security-groups port-security high-risk-ports database-ports security-domains logon-encrypted
    logon-passwords backup-regular backup-vault backup-consistent restore-proven web-firewall account-cracking intrusions
    web-tampering malware assets baseline os-upgrade vulnerabilities monitoring alarms security-information";

fn check(args: &[&str]) -> (i32, Value) {
    let output = Command::new(BINARY).args(["check", "--output", "json"]).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap_or(-1), report)
}

fn write(root: &Path, path: &str, mode: u32, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Days since 1970 of a day `ago` days back.
fn day(ago: i64) -> i64 {
    jiff::Timestamp::now().as_second() / 86_400 - ago
}

fn root(shadow: &str, passwd: &str, sshd: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "etc/hostname", 0o644, "old-web\n");
    write(
        root,
        "etc/passwd",
        0o644,
        &format!("root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\n{passwd}"),
    );
    let today = day(3);
    let hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
    write(root, "etc/shadow", 0o640, &format!("root:*:{today}:0:99999:7:::\nanna:{hash}:{today}:0:180:7:::\n{shadow}"));
    write(root, "etc/group", 0o644, "root:x:0:\nanna:x:1000:\n");
    write(root, "etc/ssh/sshd_config", 0o600, sshd);
    write(root, "usr/sbin/sshd", 0o755, "");
    write(
        root,
        "etc/os-release",
        0o644,
        "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
    );
    write(root, "var/lib/dpkg/status", 0o644, "");
    dir
}

fn named(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let open = findings.filter(|f| f["state"] == "open");
    open.map(|f| (f["check"].as_str().unwrap().to_owned(), f["object"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn every_practice_is_there_once_and_every_finding_is_complete() {
    let (status, report) = check(&[]);
    assert_eq!(status, 0);
    let mut seen = BTreeMap::new();
    for practice in report["practices"].as_array().unwrap() {
        *seen.entry(practice["id"].as_str().unwrap()).or_insert(0) += 1;
        for field in ["title", "state", "score", "mission", "reason", "guard"] {
            assert!(!practice[field].is_null(), "{practice}: {field}");
        }
    }
    let expected: BTreeMap<&str, i32> = PRACTICES.split_whitespace().map(|id| (id, 1)).collect();
    assert_eq!(seen, expected);
    for finding in report["findings"].as_array().unwrap() {
        for field in
            ["id", "check", "practice", "host", "object", "severity", "state", "evidence", "observed_at", "why"]
        {
            assert!(finding[field].as_str().is_some_and(|t| !t.is_empty()), "{finding}: {field}");
        }
        assert!(finding["fix"]["text"].as_str().is_some_and(|t| !t.is_empty()), "{finding}");
    }
    assert_eq!(report["version"], 1);
}

#[test]
fn practices_without_a_guard_are_unprotected_never_good() {
    let (_, report) = check(&[]);
    for practice in report["practices"].as_array().unwrap() {
        if ["mesh", "backup", "waf", "intrusion", "integrity"].contains(&practice["guard"].as_str().unwrap()) {
            assert_eq!(practice["state"], "unprotected", "{practice}");
        }
    }
}

#[test]
fn a_scratch_root_is_judged_by_its_files_and_a_healthy_account_is_not_named() {
    let bad = root(
        &format!("empty::{0}:0:180:7:::\nold:$y$j9T$a$b:{1}:0:180:7:::\ntoor:*:{0}:0:180:7:::\n", day(3), day(200)),
        "empty:x:1001:1001::/home/empty:/bin/bash\nold:x:1002:1002::/home/old:/bin/bash\ntoor:x:0:0::/root:/bin/bash\n",
        "PermitRootLogin yes\n",
    );
    let (status, report) = check(&["--root", bad.path().to_str().unwrap(), "--fail-on", "high"]);
    assert_eq!(status, 1, "an empty password is worse than high");
    assert_eq!(report["host"], "old-web");
    let found = named(&report);
    for (check, object) in
        [("access.empty-password", "empty"), ("access.password-age", "old"), ("access.second-uid-0", "toor")]
    {
        assert!(found.contains(&(check.to_owned(), object.to_owned())), "{check} {object}: {found:?}");
    }
    assert!(found.iter().any(|(check, _)| check == "access.ssh-root-login"), "{found:?}");
    assert!(!found.iter().any(|(_, object)| object == "anna"), "{found:?}");

    let good = root("", "", "PermitRootLogin no\n");
    let (_, report) = check(&["--root", good.path().to_str().unwrap()]);
    let found = named(&report);
    for check in ["access.empty-password", "access.password-age", "access.second-uid-0", "access.ssh-root-login"] {
        assert!(!found.iter().any(|(c, _)| c == check), "{check}: {found:?}");
    }
}

#[test]
fn listeners_are_named_with_their_process_and_gone_when_they_end() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let objects = || {
        let (_, report) = check(&[]);
        named(&report).into_iter().map(|(c, o)| format!("{c} {o}")).collect::<Vec<_>>()
    };
    let high_risk = std::net::TcpListener::bind("0.0.0.0:4444").unwrap();
    let database = Listener::start("mysqld", 33306);
    let during = objects();
    assert!(during.iter().any(|o| o.starts_with("firewall.high-risk-port tcp/4444")), "{during:#?}");
    assert!(during.iter().any(|o| o.starts_with("firewall.database-open") && o.contains("33306")), "{during:#?}");
    drop((high_risk, database));
    let after = objects();
    assert!(!after.iter().any(|o| o.contains("4444") || o.contains("33306")), "{after:#?}");
}

/// A process of a given name that listens on every address.
struct Listener(std::process::Child, #[allow(dead_code)] tempfile::TempDir);

impl Listener {
    fn start(name: &str, port: u16) -> Listener {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(name);
        std::fs::copy("/usr/bin/perl", &program).unwrap();
        let script = format!(
            "use Socket; socket(S,PF_INET,SOCK_STREAM,0); setsockopt(S,SOL_SOCKET,SO_REUSEADDR,1); bind(S,sockaddr_in({port},INADDR_ANY)) or die; listen(S,5); $|=1; print \"up\\n\"; sleep 60"
        );
        let mut child =
            Command::new(program).args(["-e", &script]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut up = [0u8; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut up).unwrap();
        Listener(child, dir)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_root_that_does_not_exist_is_an_error_that_names_it() {
    let output = Command::new(BINARY).args(["check", "--root", "/nonexistent/root"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/root"));
}

#[test]
fn the_report_keeps_to_its_published_schema() {
    let (_, report) = check(&[]);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/check.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    holds(&schema, &schema, &report, "report");
}

/// The part of JSON Schema that the published schemas use.
pub fn holds(whole: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = &whole["$defs"][reference.trim_start_matches("#/$defs/")];
        assert!(target.is_object(), "{at}: {reference} leads nowhere");
        return holds(whole, target, value, at);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{at}: {name} is missing");
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            holds(whole, inner, value, &format!("{at}.{name}"));
        }
    }
    if schema["additionalProperties"] == false {
        let unknown =
            value.as_object().into_iter().flatten().find(|(name, _)| schema["properties"].get(name).is_none());
        assert_eq!(unknown, None, "{at}");
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        holds(whole, &schema["items"], item, &format!("{at}[{i}]"));
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(one) => assert_eq!(one, kind, "{at}"),
        Value::Array(some) => assert!(some.iter().any(|k| k == kind), "{at}: {kind}"),
        _ => {}
    }
}
