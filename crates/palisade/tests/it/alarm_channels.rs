//! Channels in trouble, and secrets: nowhere in the clear.

use crate::receiver::Receiver;
use crate::running::{BINARY, Palisade, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

const PASSWORD: &str = "correct-horse-battery-staple";
const WRONG: &str = "incorrect-horse-battery";
const KEY: &str = "sign-with-this-and-nothing-else";

fn apply(palisade: &Palisade, documents: &str) {
    let file = palisade.dir.path().join("documents.yaml");
    std::fs::write(&file, documents).unwrap();
    palisade.ok(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn secret(palisade: &Palisade, name: &str, value: &str) {
    let mut child = Command::new(BINARY)
        .args(["monitor", "secret", "set", name, "--data-dir"])
        .arg(palisade.dir.path())
        .env("PALISADE_CONFIG", palisade.dir.path().join("config.toml"))
        .env_remove("PALISADE_SERVER")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{value}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn deliveries(palisade: &Palisade) -> Vec<Value> {
    palisade.json(&["monitor", "delivery", "list"])["items"].as_array().unwrap().clone()
}

/// A mail server that takes nothing without the right password.
fn strict_mail() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || converse(&mut BufReader::new(stream)));
        }
    });
    address
}

fn converse(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    use base64::Engine;
    let right = base64::engine::general_purpose::STANDARD.encode(format!("\0palisade\0{PASSWORD}"));
    stream.get_mut().write_all(b"220 mail.example.org ESMTP\r\n")?;
    let (mut line, mut signed_in, mut in_data) = (String::new(), false, false);
    while stream.read_line(&mut line)? > 0 {
        let answer: &[u8] = match line.trim_end() {
            "." => {
                in_data = false;
                b"250 taken\r\n"
            }
            _ if in_data => b"",
            said if said.starts_with("EHLO") => b"250-mail.example.org\r\n250 AUTH PLAIN\r\n",
            said if said.starts_with("AUTH PLAIN") => {
                signed_in = said.ends_with(&right);
                if signed_in { b"235 good\r\n" } else { b"535 5.7.8 wrong password\r\n" }
            }
            _ if !signed_in => b"530 5.7.0 sign in first\r\n",
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            _ => b"250 ok\r\n",
        };
        stream.get_mut().write_all(answer)?;
        line.clear();
    }
    Ok(())
}

/// Files below `dir` that hold `needle`.
fn holding(dir: &Path, needle: &str) -> Vec<String> {
    let output = Command::new("grep").args(["-r", "-l", "-a", "-F", "--", needle]).arg(dir).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

const RULE: &str = r#"
kind: Sampling
name: fast
spec: { scope: {}, interval: 1s }
---
kind: AlarmRule
name: up
spec:
  cause: false
  policies:
    - { metric: uptime_seconds, statistic: latest, operator: ">", threshold: 0, count: 1 }
"#;

#[test]
fn channels_that_are_away_or_have_a_wrong_password_deliver_later_and_secrets_are_nowhere_in_the_clear() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let (away, (tls, ca_pem), mail) = (Receiver::http(), Receiver::https(), strict_mail());
    away.set_away(true);
    secret(&palisade, "mail", WRONG);
    secret(&palisade, "key", KEY);
    let channels = [
        json!({ "kind": "NotificationChannel", "name": "away", "spec": { "type": "webhook", "url": format!("http://{}/", away.address), "allow_private": true } }),
        json!({ "kind": "NotificationChannel", "name": "tls", "spec": { "type": "webhook", "url": format!("https://{}/", tls.address), "allow_private": true, "ca_pem": ca_pem, "secret": "key" } }),
        json!({ "kind": "NotificationChannel", "name": "untrusted", "spec": { "type": "webhook", "url": format!("https://{}/", tls.address), "allow_private": true, "secret": "key" } }),
        json!({ "kind": "NotificationChannel", "name": "mail", "spec": { "type": "smtp", "host": "127.0.0.1", "port": mail.port(), "tls": "none", "user": "palisade", "secret": "mail", "from": "palisade@example.org", "to": ["ops@example.org"], "allow_private": true } }),
    ];
    let documents: Vec<String> = channels.iter().map(Value::to_string).chain([RULE.to_owned()]).collect();
    apply(&palisade, &documents.join("\n---\n"));

    until("the one whose authority is trusted is told", || tls.keys("up", "web-1", "firing").len() == 1);
    let failing = |channel: &str, why: &str| {
        let all = deliveries(&palisade);
        let own = all.iter().find(|delivery| delivery["channel"] == channel).cloned().unwrap_or_default();
        let error = own["last_error"].as_str().unwrap_or_default().to_lowercase();
        own["state"] == "waiting" && error.contains(why)
    };
    until("a wrong password is said and tried again", || failing("mail", "wrong password"));
    until("an authority that nobody trusts is said", || failing("untrusted", "certificate"));
    until("one that is away is tried again", || failing("away", ""));
    let tested = palisade.command(&["monitor", "channel", "test", "mail"]);
    assert_eq!(tested.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&tested.stdout).contains("wrong password"));

    away.set_away(false);
    secret(&palisade, "mail", PASSWORD);
    for channel in ["away", "mail"] {
        until(&format!("{channel} is told after all"), || {
            deliveries(&palisade).iter().any(|delivery| delivery["channel"] == channel && delivery["state"] == "sent")
        });
    }
    assert_eq!(away.keys("up", "web-1", "firing").len(), 1, "{:#?}", away.messages());

    let token = palisade.token("admin");
    let mut answers = String::new();
    for path in ["secrets", "channels", "deliveries", "alarms?state=all", "rules"] {
        answers += &palisade.request("GET", &format!("/api/v1/monitor/{path}"), Some(&token), "").body;
    }
    for path in ["/api/v1/journal/events?limit=500", "/api/v1/resources/NotificationChannel"] {
        answers += &palisade.request("GET", path, Some(&token), "").body;
    }
    answers += &palisade.ok(&["journal", "list", "--output", "json"]);
    assert!(answers.contains("monitor.secret"), "that a secret was set is told: {answers}");
    for needle in [PASSWORD, WRONG, KEY] {
        assert!(!answers.contains(needle), "an answer holds `{needle}`");
        assert_eq!(holding(palisade.dir.path(), needle), Vec::<String>::new(), "`{needle}` lies in the clear");
    }
    assert!(!holding(palisade.dir.path(), "untrusted").is_empty(), "what is not secret is found");
}
