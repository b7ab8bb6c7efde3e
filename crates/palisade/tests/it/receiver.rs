//! A webhook that can be away for a while, and remembers under which key it was sent what. With or
//! without TLS; its certificate is signed by an authority of its own.

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const BODY_BYTES_MAX: u64 = 1 << 20;

/// One message: the key that is the same when it is sent again, and its body.
pub type Message = (String, Value);

/// The receiver.
#[derive(Clone)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    messages: Arc<Mutex<Vec<Message>>>,
    away: Arc<AtomicBool>,
}

impl Receiver {
    /// One that speaks HTTP.
    pub fn http() -> Receiver {
        Receiver::listen(None)
    }

    /// One that speaks HTTPS, and the certificate of who has signed its own.
    pub fn https() -> (Receiver, String) {
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let ca_pem = authority.self_signed(&key).unwrap().pem();
        let own_key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let own = own.signed_by(&own_key, &rcgen::Issuer::new(authority, key)).unwrap();
        let private = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![own.der().clone()], private).unwrap();
        (Receiver::listen(Some(Arc::new(config))), ca_pem)
    }

    fn listen(tls: Option<Arc<ServerConfig>>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Receiver { address, messages: Arc::default(), away: Arc::default() };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.away.load(Ordering::SeqCst) {
                    continue;
                }
                let (own, tls) = (own.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    Some(config) => own.serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
                    None => own.serve(stream),
                });
            }
        });
        receiver
    }

    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        while let Some(message) = request(&mut stream) {
            if self.away.load(Ordering::SeqCst) {
                return;
            }
            self.messages.lock().unwrap().push(message);
            if stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }

    /// From now on connections are closed unanswered, or answered again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// What it was sent, oldest first; what was sent again is there again.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The keys under which a rule was told on a host in this state, each once.
    pub fn keys(&self, rule: &str, host: &str, status: &str) -> BTreeSet<String> {
        let is_meant = |alert: &Value| {
            let labels = &alert["labels"];
            alert["status"] == status && labels["alertname"] == rule && labels["host"] == host
        };
        let all = self.messages();
        let told = all.iter().filter(|(_, body)| body["alerts"].as_array().is_some_and(|all| all.iter().any(is_meant)));
        told.map(|(key, _)| key.clone()).collect()
    }
}

fn request(stream: &mut BufReader<impl Read>) -> Option<Message> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let length: u64 = field("content-length:")?.parse().ok()?;
    let mut body = vec![0; length.min(BODY_BYTES_MAX) as usize];
    stream.read_exact(&mut body).ok()?;
    Some((field("idempotency-key:").unwrap_or_default(), serde_json::from_slice(&body).ok()?))
}
