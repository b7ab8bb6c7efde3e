//! An agent in hostile hands: it holds a host's identity, and sends to the server what it likes.

use crate::fleet::Member;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection with a certificate of its choice.
pub struct Raw {
    runtime: tokio::runtime::Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// What was answered.
pub struct Said {
    /// The status; 0 if the connection was ended instead.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What is shown in the greeting.
pub struct Shown {
    /// Certificate chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl Shown {
    /// The identity of a host, from its files.
    pub fn of(identity: &Path) -> Shown {
        let chain = CertificateDer::pem_file_iter(identity.join("host.pem")).unwrap().map(Result::unwrap).collect();
        Shown { chain, key: PrivateKeyDer::from_pem_file(identity.join("host.key")).unwrap() }
    }
}

impl Raw {
    /// Connects from the host's side; the error is what TLS or HTTP said.
    pub fn connect(member: &Member, shown: Option<Shown>, alpn: &[u8]) -> Result<Raw, String> {
        let url = member.url.trim_start_matches("https://").to_owned();
        let root: PathBuf = member.identity().join("root.pem");
        let alpn = alpn.to_vec();
        member.peer.run(move || {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
            let builder = ClientConfig::builder().with_root_certificates(roots);
            let mut config = match shown {
                Some(shown) => builder.with_client_auth_cert(shown.chain, shown.key).map_err(|e| e.to_string())?,
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = vec![alpn];
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let sender = runtime.block_on(async {
                let tcp = TcpStream::connect(url).await.map_err(|e| e.to_string())?;
                let name = ServerName::try_from("palisade-server").unwrap();
                let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|e| e.to_string())?;
                let (mut sender, connection) =
                    handshake(TokioExecutor::new(), TokioIo::new(tls)).await.map_err(|e| e.to_string())?;
                tokio::spawn(connection);
                sender.ready().await.map_err(|e| e.to_string())?;
                Ok::<_, String>(sender)
            })?;
            Ok(Raw { runtime, sender })
        })
    }

    /// Sends any bytes.
    pub fn send(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Said {
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("https://palisade-server{path}"))
            .header("content-type", "application/json");
        if !headers.iter().any(|(name, _)| *name == "content-length") {
            request = request.header("content-length", body.len());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let mut sender = self.sender.clone();
        self.runtime.block_on(async move {
            let Ok(answer) = sender.send_request(request).await else { return Said { status: 0, body: String::new() } };
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            Said { status, body: String::from_utf8_lossy(&body).into_owned() }
        })
    }

    /// Sends a message.
    pub fn post(&self, path: &str, message: &Value) -> Said {
        self.send(path, &[], message.to_string().into_bytes())
    }
}
