//! One look of a probe at real and at hostile servers on loopback.

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use palisade_core::Timestamp;
use palisade_monitor::probe::look::{Outcome, look};
use palisade_monitor::probe::spec::ProbeSpec;
use palisade_sandbox::{Link, Peer, enter_netns};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// A look that reaches loopback, with two seconds.
async fn looked(kind: &str, target: &str, more: Value) -> Outcome {
    let mut spec = json!({ "type": kind, "target": target, "timeout": "2s", "allow_private": true });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec: ProbeSpec = serde_json::from_value(spec).unwrap();
    look(&spec.checked().unwrap()).await
}

fn error(outcome: &Outcome) -> &str {
    assert!(!outcome.up, "{outcome:?}");
    outcome.error.as_deref().unwrap()
}

/// A server that does the same with every connection; its address.
async fn serving<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// A server that reads a little and sends these bytes.
async fn saying(text: &'static str) -> String {
    serving(move |mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(text.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn an_open_port_is_up_and_a_closed_one_is_refused() {
    let open = serving(|stream| async move { drop(stream) }).await;
    let outcome = looked("tcp", &open, json!({})).await;
    assert!(outcome.up && outcome.facts["address"] == "127.0.0.1", "{outcome:?}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let outcome = looked("tcp", &closed, json!({})).await;
    assert!(error(&outcome).contains("refused"), "{outcome:?}");
    assert!(outcome.duration_s < 1.0);
}

#[tokio::test]
async fn what_only_the_server_reaches_is_refused_unless_it_is_allowed() {
    let open = serving(|stream| async move { drop(stream) }).await;
    for (kind, target) in [("tcp", open.clone()), ("http", format!("http://{open}/")), ("icmp", "127.0.0.1".to_owned())]
    {
        let outcome = looked(kind, &target, json!({ "allow_private": false })).await;
        assert!(error(&outcome).contains("a loopback address"), "{kind}: {outcome:?}");
    }
    let dns = looked("dns", "a.example.org", json!({ "server": "169.254.169.254", "allow_private": false })).await;
    assert!(error(&dns).contains("link-local"), "{dns:?}");
}

#[tokio::test]
async fn an_http_answer_is_judged_by_status_and_body() {
    let router = axum::Router::new()
        .route("/health", axum::routing::get(|| async { "all is well" }))
        .route("/moved", axum::routing::get(|| async { axum::response::Redirect::to("http://127.0.0.1:1/") }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let health = format!("{base}/health");
    let outcome = looked("http", &health, json!({ "expect": { "status": 200, "body": "is well" } })).await;
    assert!(outcome.up && outcome.facts["bytes"] == 11, "{outcome:?}");
    assert_eq!(outcome.values, [("probe_http_status", 200.0)]);
    let outcome = looked("http", &health, json!({ "expect": { "body": "on fire" } })).await;
    assert_eq!(error(&outcome), "`on fire` is not in the first 11 bytes of the body");
    let outcome = looked("http", &format!("{base}/none"), json!({})).await;
    assert_eq!(error(&outcome), "answered 404 Not Found");
    assert_eq!(outcome.values, [("probe_http_status", 404.0)], "what was measured stays");
    let outcome = looked("http", &format!("{base}/none"), json!({ "expect": { "status": 404 } })).await;
    assert!(outcome.up);
    let outcome = looked("http", &format!("{base}/moved"), json!({})).await;
    assert!(outcome.up && outcome.facts["location"] == "http://127.0.0.1:1/", "not followed: {outcome:?}");
}

#[tokio::test]
async fn a_hostile_server_ends_a_look_within_its_limits() {
    let endless_head = serving(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&[b"x-a: ".as_slice(), &[b'a'; 4_000], b"\r\n"].concat()).await.is_ok() {}
    });
    let endless_body = serving(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
        while stream.write_all(&[b'a'; 65_536]).await.is_ok() {}
    });
    let slow_body = serving(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        while stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let silent = serving(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let garbage = saying("\u{1}\u{2}garbage\r\n\r\n");

    let started = Instant::now();
    let outcome = looked("http", &format!("http://{}/", endless_head.await), json!({})).await;
    assert!(error(&outcome).contains("too large"), "{outcome:?}");
    let outcome = looked("http", &format!("http://{}/", endless_body.await), json!({ "timeout": "10s" })).await;
    assert!(outcome.up && outcome.facts["bytes"] == 1 << 20, "the first MiB is enough: {outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    for (server, text) in [(slow_body.await, "no whole answer within 2s"), (silent.await, "no whole answer within 2s")]
    {
        let started = Instant::now();
        let outcome = looked("http", &format!("http://{server}/"), json!({})).await;
        assert_eq!(error(&outcome), text);
        assert!(started.elapsed() < Duration::from_secs(4));
    }
    let garbage = garbage.await;
    assert!(!looked("http", &format!("http://{garbage}/"), json!({})).await.up);
    let outcome = looked("tls", &garbage, json!({})).await;
    assert!(!outcome.up && outcome.facts.len() == 1, "garbage instead of TLS: {outcome:?}");
}

/// An authority and a certificate of it that ends at midnight in so many days.
struct Issued {
    ca_pem: String,
    acceptor: TlsAcceptor,
}

fn issued(name: &str, days: i64) -> Issued {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
    let key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let end = (Timestamp::now() + jiff::SignedDuration::from_hours(24 * days)).to_zoned(jiff::tz::TimeZone::UTC);
    params.not_after = rcgen::date_time_ymd(end.year().into(), end.month() as u8, end.day() as u8);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    Issued { ca_pem: root.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
}

/// A TLS server that answers each greeting, and what is said on it with an HTTP answer.
async fn tls(issued: &Issued) -> String {
    let acceptor = issued.acceptor.clone();
    serving(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_described_with_the_days_that_it_has_left() {
    let issued = issued("127.0.0.1", 3);
    let server = tls(&issued).await;
    let outcome = looked("tls", &server, json!({ "ca_pem": issued.ca_pem })).await;
    assert!(outcome.up, "{outcome:?}");
    let [("probe_tls_days_left", days)] = outcome.values[..] else { panic!("{outcome:?}") };
    assert!((2.0..=3.0).contains(&days), "{days}");
    assert!(outcome.facts["issuer"].as_str().unwrap().contains("An authority"), "{outcome:?}");
    assert_eq!(outcome.facts["trusted"], true);

    let outcome = looked("tls", &server, json!({})).await;
    assert!(error(&outcome).contains("nobody whom this server trusts issued it"), "{outcome:?}");
    assert_eq!(outcome.values.len(), 1, "its end is measured all the same");
    assert!(looked("tls", &server, json!({ "verify": false })).await.up);
    let https = format!("https://{server}/");
    let outcome = looked("http", &https, json!({ "ca_pem": issued.ca_pem, "expect": { "body": "ok" } })).await;
    assert!(outcome.up && outcome.values.len() == 2, "{outcome:?}");
    let outcome = looked("http", &https, json!({})).await;
    assert!(
        error(&outcome).contains("not trusted") && !outcome.facts.contains_key("status"),
        "nothing was asked: {outcome:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_ended_or_has_another_name_is_not_good_even_without_trust() {
    let ended = issued("127.0.0.1", 0);
    let outcome = looked("tls", &tls(&ended).await, json!({ "verify": false })).await;
    assert_eq!(error(&outcome), "a certificate of its chain has ended");
    assert_eq!(outcome.values, [("probe_tls_days_left", 0.0)]);
    assert!(outcome.facts["days_left"].as_f64().unwrap() < 0.0);
    let other = issued("www.example.org", 30);
    let outcome = looked("tls", &tls(&other).await, json!({ "ca_pem": other.ca_pem })).await;
    assert!(error(&outcome).starts_with("the certificate is for another name"), "{outcome:?}");
}

/// A DNS server that knows one name; before each answer it sends a forged one.
async fn dns() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let question = Message::from_vec(&packet[..length]).unwrap();
            let mut answer = question.clone();
            answer.metadata.message_type = MessageType::Response;
            let name = question.queries[0].name().clone();
            if name.to_string() != "www.example.org." {
                answer.metadata.response_code = ResponseCode::NXDomain;
            } else {
                for last in [7, 8] {
                    answer.add_answer(Record::from_rdata(name.clone(), 60, RData::A(A::new(203, 0, 113, last))));
                }
            }
            let mut forged = answer.clone();
            forged.metadata.id = question.metadata.id.wrapping_add(1);
            forged.answers.clear();
            for message in [forged, answer] {
                socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn a_dns_server_must_answer_with_what_is_expected() {
    let server = dns().await;
    let outcome =
        looked("dns", "www.example.org", json!({ "server": server, "expect": { "address": "203.0.113.8" } })).await;
    assert!(outcome.up && outcome.facts["answers"] == json!(["203.0.113.7", "203.0.113.8"]), "{outcome:?}");
    assert_eq!(outcome.values, [("probe_dns_answers", 2.0)]);
    let outcome =
        looked("dns", "www.example.org", json!({ "server": server, "expect": { "address": "203.0.113.9" } })).await;
    assert!(error(&outcome).starts_with("`203.0.113.9` is not among the answers"), "{outcome:?}");
    let outcome = looked("dns", "none.example.org", json!({ "server": server })).await;
    assert!(error(&outcome).contains("Non-Existent Domain"), "{outcome:?}");
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let started = Instant::now();
    assert!(!looked("dns", "www.example.org", json!({ "server": silent })).await.up);
    assert!(started.elapsed() < Duration::from_secs(4));
}

/// In namespaces of the test's own, where `group` is who may send echo requests.
fn inside(group: &str, test: impl Future<Output = ()>) {
    if let Err(why) = enter_netns() {
        return println!("skipped: {why}");
    }
    if let Err(why) = std::fs::write("/proc/sys/net/ipv4/ping_group_range", group) {
        return println!("skipped: the kernel does not let the test say who may send echo requests: {why}");
    }
    // threads of the runtime are started inside
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn an_echo_request_is_answered_over_both_protocols() {
    inside("0 0", async {
        for target in ["127.0.0.1", "::1"] {
            let outcome = looked("icmp", target, json!({})).await;
            assert!(outcome.up && outcome.facts["sent"] == 1, "{target}: {outcome:?}");
        }
    });
}

#[test]
fn a_kernel_that_forbids_echo_requests_is_named_and_is_no_verdict() {
    inside("1 0", async {
        let outcome = looked("icmp", "127.0.0.1", json!({})).await;
        assert!(error(&outcome).contains("net.ipv4.ping_group_range"), "{outcome:?}");
    });
}

#[test]
fn a_host_that_swallows_everything_ends_a_look_with_its_time() {
    inside("0 0", async {
        // the link takes what is sent to this neighbour, and nobody is behind it
        let _peer = match Peer::beside(&Link { here: &["10.99.0.1/24"], there: &["10.99.0.9/24"] }) {
            Ok(peer) => peer,
            Err(why) => return println!("skipped: {why}"),
        };
        palisade_sandbox::ip(&["neighbour", "add", "10.99.0.2", "lladdr", "02:00:00:00:00:02", "dev", "pal0"]).unwrap();
        let started = Instant::now();
        let icmp = looked("icmp", "10.99.0.2", json!({})).await;
        let tcp = looked("tcp", "10.99.0.2:80", json!({})).await;
        let tls = looked("tls", "10.99.0.2:443", json!({})).await;
        assert!(started.elapsed() < Duration::from_secs(9));
        assert_eq!(tcp.error.as_deref(), Some("no whole answer within 2s"));
        assert_eq!(tls.error.as_deref(), Some("no whole answer within 2s"));
        assert!(!icmp.up && icmp.facts["sent"].as_u64() > Some(1), "{icmp:?}");
    });
}
