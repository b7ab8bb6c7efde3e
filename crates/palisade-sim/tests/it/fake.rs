//! A server in this process: real TLS with real certificates, and rows in memory. It can be made to
//! do what a real server must never do.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_core::{HostId, Timestamp};
use palisade_guard::link::{ALPN, Acknowledged, Bye, Down, Hello, SERVER_NAME, Up, Welcome};
use palisade_sim::identity::Identity;
use palisade_sim::store::Stored;
use palisade_sim::trust::{Pinned, fingerprint, provider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// What the server does to every third report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing but what it should.
    None,
    /// Stores it, and its answer is lost.
    LosesAnswers,
    /// Stores nothing and asks to come later.
    Busy,
    /// Acknowledges it and stores nothing.
    Forgets,
    /// Stores it twice.
    Doubles,
    /// Acknowledges it, and takes that back at the next hello.
    GoesBack,
}

/// What it has stored.
#[derive(Debug, Default)]
pub struct Rows {
    /// How far streams are stored, by host and guard.
    pub seqs: HashMap<(HostId, String), u64>,
    /// Stored records by host and guard.
    pub records: HashMap<(HostId, String), Vec<u64>>,
    pub reports: u64,
    pub byes: BTreeSet<HostId>,
}

#[derive(Clone)]
pub struct Fake {
    pub address: SocketAddr,
    pub rows: Arc<Mutex<Rows>>,
    fault: Fault,
    root: Arc<CertifiedIssuer<'static, KeyPair>>,
}

impl Fake {
    pub async fn start(fault: Fault) -> Fake {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "root");
        let root = Arc::new(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Fake { address: listener.local_addr().unwrap(), rows: Arc::default(), fault, root };
        let acceptor = TlsAcceptor::from(Arc::new(fake.tls()));
        let router = Router::new()
            .route("/link/v1/hello", post(hello))
            .route("/link/v1/report", post(report))
            .route("/link/v1/bye", post(bye))
            .route("/link/v1/orders", get(orders))
            .with_state(fake.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(stream).await else { return };
                    let service = hyper::service::service_fn(move |request| router.clone().oneshot(request));
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // a connection that ends badly is what the tests are about
                    let _ = http.serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        fake
    }

    fn signed(&self, name: &str, key: &KeyPair) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.signed_by(key, &*self.root).unwrap()
    }

    fn tls(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let chain = vec![self.signed(SERVER_NAME, &key).der().clone(), self.root.der().clone()];
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let hosts = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(hosts)
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }

    pub fn pinned(&self) -> Arc<Pinned> {
        Pinned::new(fingerprint(self.root.der()))
    }

    pub fn identity(&self, index: usize) -> Identity {
        let host: HostId = format!("sim-{index}").parse().unwrap();
        let key = KeyPair::generate().unwrap();
        let chain = self.signed(host.as_str(), &key).pem();
        Identity::new(host, &key, &chain, self.pinned()).unwrap()
    }

    /// As the counts of a real database.
    pub fn stored(&self, series: usize) -> HashMap<String, Stored> {
        let rows = self.rows.lock().unwrap();
        let mut all: HashMap<String, Stored> = HashMap::new();
        for ((host, guard), seqs) in &rows.records {
            let stored = all.entry(host.to_string()).or_default();
            if guard == "monitor" {
                (stored.frames, stored.series) = (seqs.len() as u64, series as u64);
            } else {
                stored.events = seqs.len() as u64;
                stored.events_distinct = seqs.iter().collect::<BTreeSet<_>>().len() as u64;
                stored.event_last = seqs.iter().copied().max().unwrap_or(0);
            }
        }
        all
    }
}

async fn hello(State(fake): State<Fake>, Json(hello): Json<Hello>) -> Json<Welcome> {
    let mut rows = fake.rows.lock().unwrap();
    if fake.fault == Fault::GoesBack {
        rows.seqs.values_mut().for_each(|seq| *seq = seq.saturating_sub(1));
    }
    let streams = rows.seqs.iter().filter(|((host, _), _)| *host == hello.host);
    let streams = streams.map(|((_, guard), seq)| (guard.clone(), *seq)).collect();
    Json(Welcome { now: Timestamp::now(), streams })
}

async fn report(State(fake): State<Fake>, headers: HeaderMap, bytes: Bytes) -> Response {
    let mut json = bytes.to_vec();
    if headers.get("content-encoding").is_some_and(|v| v == "lz4") {
        json.clear();
        lz4_flex::frame::FrameDecoder::new(&bytes[..]).read_to_end(&mut json).unwrap();
    }
    let up: Up = serde_json::from_slice(&json).unwrap();
    let mut rows = fake.rows.lock().unwrap();
    rows.reports += 1;
    let fault = if rows.reports.is_multiple_of(3) { fake.fault } else { Fault::None };
    if fault == Fault::Busy {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response();
    }
    let mut streams = BTreeMap::new();
    for (guard, records) in up.records {
        let key = (up.host.clone(), guard.clone());
        let stored = rows.seqs.get(&key).copied().unwrap_or(0);
        let new: Vec<u64> = records.iter().map(|r| r.seq).filter(|seq| *seq > stored).collect();
        let last = new.last().copied().unwrap_or(stored);
        let times = match fault {
            Fault::Forgets => 0,
            Fault::Doubles => 2,
            _ => 1,
        };
        (0..times).for_each(|_| rows.records.entry(key.clone()).or_default().extend(&new));
        rows.seqs.insert(key, last);
        streams.insert(guard, last);
    }
    if matches!(fault, Fault::LosesAnswers | Fault::GoesBack) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    Json(Acknowledged { streams, after_ms: 5 }).into_response()
}

async fn bye(State(fake): State<Fake>, Json(bye): Json<Bye>) -> StatusCode {
    fake.rows.lock().unwrap().byes.insert(bye.host);
    StatusCode::NO_CONTENT
}

async fn orders(_: Request) -> Body {
    let mut line = serde_json::to_vec(&Down::Heartbeat).unwrap();
    line.push(b'\n');
    let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(line))]);
    Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}
