//! What each type of channel says, to doubles and to a real Alertmanager.

use super::sink::{MailSink, Sink};
use super::{NOON_MS, Server, notice, resolved};
use palisade_core::Severity;
use palisade_guard::Notice;
use palisade_monitor::notify::heartbeat::{Heart, Pulse};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::Arc;

async fn server(channel: Value) -> Server {
    let server = Server::new().await;
    server.put("NotificationChannel", "it", channel).await;
    server
        .put("NotificationPolicy", "all", json!({ "channels": ["it"], "group_wait": "0s", "group_interval": "0s" }))
        .await;
    server
}

/// One thing that fires and is over.
async fn told(server: &mut Server) {
    let hostile = Notice { title: "<b>cpu</b>\u{1b}[31m {{ host }}".to_owned(), ..notice("a", "cpu") };
    server.say(&hostile).await;
    server.run(2).await;
    server.say(&resolved(&hostile, NOON_MS + 1_000)).await;
    server.run(2).await;
}

#[tokio::test]
async fn a_webhook_is_in_the_shape_of_alertmanagers_and_signed() {
    let sink = Sink::new().await;
    let hook =
        json!({ "type": "webhook", "url": format!("{}/in?x=1", sink.url), "allow_private": true, "secret": "key" });
    let mut server = server(hook).await;
    server.secret("key", "s3cret").await;
    told(&mut server).await;
    let received = sink.take();
    assert_eq!(received.len(), 2);
    let first = received[0].json();
    assert_eq!(
        (received[0].path.as_str(), first["version"].as_str(), first["status"].as_str()),
        ("/in?x=1", Some("4"), Some("firing"))
    );
    let alert = &first["alerts"][0];
    assert_eq!(alert["labels"], json!({ "alertname": "cpu", "host": "web-1", "severity": "high" }));
    assert_eq!(alert["annotations"]["cause"], "stress-ng (pid 7, unit hog.service)");
    assert_eq!(
        (alert["startsAt"].as_str(), alert["endsAt"].as_str()),
        (Some("2026-11-22T12:00:00Z"), Some("0001-01-01T00:00:00Z"))
    );
    assert_eq!(first["title"], "<b>cpu</b>\\u{1b}[31m {{ host }}");
    let second = received[1].json();
    assert_eq!(
        (second["status"].as_str(), second["alerts"][0]["endsAt"].as_str()),
        (Some("resolved"), Some("2026-11-22T12:00:01Z"))
    );
    assert_eq!(first["groupKey"], second["groupKey"]);
    let said = received[0].header("x-palisade-signature");
    let seconds: i64 = said.split(['=', ',']).nth(1).unwrap().parse().unwrap();
    let expected = palisade_monitor::notify::channel::webhook::signature("s3cret", seconds, &received[0].body);
    assert_eq!(said, expected);
    assert_ne!(received[0].header("idempotency-key"), received[1].header("idempotency-key"));
}

#[tokio::test]
async fn texts_of_ones_own_are_filled_in_and_not_read_again() {
    let sink = Sink::new().await;
    let template = json!({ "title": "{{ severity }}: {{labels.alertname}} @ {{ host }}", "text": "{{ title }} {{ annotations.cause }}" });
    let hook = json!({ "type": "webhook", "url": sink.url, "allow_private": true, "template": template });
    let mut server = server(hook).await;
    told(&mut server).await;
    let first = sink.take()[0].json();
    assert_eq!(first["title"], "high: cpu @ web-1");
    assert_eq!(first["text"], "<b>cpu</b>\\u{1b}[31m {{ host }} stress-ng (pid 7, unit hog.service)");
}

#[tokio::test]
async fn slack_gets_escaped_text_at_the_address_that_is_the_secret() {
    let sink = Sink::new().await;
    let mut server = server(json!({ "type": "slack", "secret": "slack", "allow_private": true })).await;
    server.secret("slack", &format!("{}/services/T0/B0/x", sink.url)).await;
    told(&mut server).await;
    let received = sink.take();
    assert_eq!((received.len(), received[0].path.as_str()), (2, "/services/T0/B0/x"));
    let text = received[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with(":rotating_light: *&lt;b&gt;cpu&lt;/b&gt;"), "{text}");
    assert!(text.contains("cause: stress-ng (pid 7, unit hog.service)"), "{text}");
}

#[tokio::test]
async fn ntfy_gets_topic_priority_and_token() {
    let sink = Sink::new().await;
    let spec = json!({ "type": "ntfy", "url": format!("{}/ops", sink.url), "secret": "ntfy", "allow_private": true });
    let mut server = server(spec).await;
    server.secret("ntfy", "tk_1").await;
    told(&mut server).await;
    let received = sink.take();
    assert_eq!((received[0].path.as_str(), received[0].header("authorization")), ("/", "Bearer tk_1"));
    let (first, second) = (received[0].json(), received[1].json());
    assert_eq!(
        (first["topic"].as_str(), first["priority"].as_u64(), second["priority"].as_u64()),
        (Some("ops"), Some(4), Some(2))
    );
    assert!(second["title"].as_str().unwrap().starts_with("Resolved: "));
}

#[tokio::test]
async fn a_secret_that_is_not_set_holds_the_message_until_it_is() {
    let sink = Sink::new().await;
    let mut server = server(json!({ "type": "slack", "secret": "slack", "allow_private": true })).await;
    server.say(&notice("a", "cpu")).await;
    server.run(2).await;
    let waiting = server.deliveries().await;
    assert_eq!(waiting[0].last_error.as_deref(), Some("the secret `slack` of the channel is not set"));
    server.secret("slack", &sink.url).await;
    server.run(10).await;
    assert_eq!(sink.take().len(), 1);
}

#[tokio::test]
async fn loopback_is_reached_only_with_an_admins_word() {
    let sink = Sink::new().await;
    let mut server = server(json!({ "type": "webhook", "url": sink.url })).await;
    told(&mut server).await;
    assert!(sink.take().is_empty());
    let error = server.deliveries().await[0].last_error.clone().unwrap();
    assert!(error.contains("`127.0.0.1` is a loopback address"), "{error}");
}

#[tokio::test]
async fn mail_has_text_and_html_and_what_is_over_hangs_below_what_fired() {
    let sink = MailSink::new(None, None).await;
    let spec = json!({
        "type": "smtp", "host": "127.0.0.1", "port": sink.port, "tls": "none", "allow_private": true,
        "from": "palisade@example.org", "to": ["Ops <ops@example.org>", "boss@example.org"],
    });
    let mut server = server(spec).await;
    told(&mut server).await;
    let mails = sink.take();
    assert_eq!(mails.len(), 2);
    let header = |mail: &str, name: &str| {
        let line = mail.lines().find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} in {mail}")).to_owned()
    };
    assert_eq!(header(&mails[0], "References"), header(&mails[1], "References"));
    assert_ne!(header(&mails[0], "Message-ID"), header(&mails[1], "Message-ID"));
    assert!(mails[0].contains("RCPT TO:<boss@example.org>") && mails[0].contains("cause: stress-ng"), "{}", mails[0]);
    assert!(header(&mails[1], "Subject").contains("Resolved: "), "{}", mails[1]);
    assert!(mails[0].contains("text/html") && !mails[0].contains("<b><b>"), "{}", mails[0]);
}

fn tls() -> (tokio_rustls::TlsAcceptor, String) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    (Arc::new(config).into(), key.cert.pem())
}

#[tokio::test]
async fn mail_goes_through_tls_from_the_start_or_later_and_signs_in_inside() {
    for implicit in [true, false] {
        let (acceptor, pem) = tls();
        let sink = if implicit {
            MailSink::new(Some(acceptor), None).await
        } else {
            MailSink::new(None, Some(acceptor)).await
        };
        let spec = |pem: Option<&str>| {
            json!({
                "type": "smtp", "host": "localhost", "port": sink.port, "tls": if implicit { "implicit" } else { "starttls" },
                "allow_private": true, "from": "palisade@example.org", "to": ["ops@example.org"],
                "user": "palisade", "secret": "mail", "ca_pem": pem,
            })
        };
        let mut server = server(spec(None)).await;
        server.secret("mail", "pass").await;
        server.say(&notice("a", "cpu")).await;
        server.run(2).await;
        assert!(sink.take().is_empty(), "a certificate of nobody was trusted");
        server.put("NotificationChannel", "it", spec(Some(&pem))).await;
        server.run(10).await;
        let mails = sink.take();
        assert_eq!(mails.len(), 1, "implicit {implicit}: {:?}", server.deliveries().await);
        assert!(mails[0].contains("AUTH PLAIN"), "{}", mails[0]);
    }
}

#[tokio::test]
async fn a_heartbeat_beats_while_every_part_of_the_server_lives() {
    let sink = Sink::new().await;
    let server = Server::new().await;
    let spec = json!({ "type": "heartbeat", "url": sink.url, "every": "1m", "allow_private": true });
    server.put("NotificationChannel", "life", spec).await;
    let pulse = Pulse::default();
    let mut heart = Heart::new(server.context.clone(), pulse.clone());
    pulse.beat("alarms", server.now());
    let mut given = Vec::new();
    for _ in 0..10 {
        given.push(heart.round().await.unwrap());
        server.pass(30);
    }
    assert_eq!(given, [1, 0, 1, 0, 1, 0, 1, 0, 0, 0], "after three minutes without alarms there is no life");
    pulse.beat("alarms", server.now());
    assert_eq!(heart.round().await.unwrap(), 1);
    assert_eq!(sink.take().len(), 5);
}

/// Debian's Alertmanager on the loopback.
struct Alertmanager {
    child: std::process::Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn alertmanager(sink: &Sink) -> Option<Alertmanager> {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "route: {{receiver: sink, group_by: [alertname], group_wait: 1s, group_interval: 1s}}\nreceivers: [{{name: sink, webhook_configs: [{{url: '{}/am', send_resolved: true}}]}}]\n",
        sink.url
    );
    let file = dir.path().join("am.yml");
    std::fs::write(&file, config).unwrap();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", dir.path().display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: prometheus-alertmanager: {error}");
            return None;
        }
    };
    let started = Alertmanager { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
    for _ in 0..500 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some(started);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("Alertmanager does not listen");
}

#[tokio::test]
async fn a_real_alertmanager_takes_what_fires_and_that_it_is_over() {
    let sink = Sink::new().await;
    let Some(real) = alertmanager(&sink).await else { return };
    let server_of = async |url: &str| {
        let server = server(json!({ "type": "alertmanager", "url": url, "allow_private": true })).await;
        // an Alertmanager goes by its own clock
        server.clock.0.store(palisade_core::Timestamp::now().as_millisecond(), std::sync::atomic::Ordering::SeqCst);
        server
    };
    let mut server = server_of(&real.url).await;
    let mut cpu = Notice { severity: Severity::Critical, starts_at: server.now(), ..notice("a", "cpu") };
    cpu.labels.insert("mount point".to_owned(), "/srv".to_owned());
    server.say(&cpu).await;
    server.decide().await;
    server.send().await;
    assert_eq!(server.deliveries().await[0].last_error, None);
    sink.wait_for(1).await;
    let first = sink.take()[0].json();
    assert_eq!((first["status"].as_str(), first["alerts"].as_array().unwrap().len()), (Some("firing"), 1));
    assert_eq!(first["alerts"][0]["labels"]["mount_point"], "/srv");
    assert_eq!(first["alerts"][0]["annotations"]["cause"], "stress-ng (pid 7, unit hog.service)");
    server.say(&Notice { ends_at: Some(server.now()), ..resolved(&cpu, 0) }).await;
    server.pass(2);
    server.decide().await;
    server.send().await;
    sink.wait_for(1).await;
    assert_eq!(sink.take()[0].json()["status"], "resolved");
}

#[tokio::test]
async fn an_alertmanager_is_told_again_every_minute_whatever_is_silenced_here() {
    let sink = Sink::new().await;
    let mut server = server(json!({ "type": "alertmanager", "url": sink.url, "allow_private": true })).await;
    server.say(&notice("a", "cpu")).await;
    server.run(2).await;
    let silence = json!({ "match": {}, "until": "2027-01-01T00:00:00Z", "reason": "r" });
    server.put("Silence", "quiet", silence).await;
    server.run(180).await;
    let received = sink.take();
    assert_eq!(received.len(), 4);
    assert_eq!(received[0].path, "/api/v2/alerts");
    let ends: Vec<_> = received.iter().map(|r| r.json()[0]["endsAt"].as_str().unwrap().to_owned()).collect();
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
}
