//! Receivers on the loopback that remember what they were sent.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// What a receiver was sent: path, headers, body.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An HTTP receiver.
#[derive(Clone)]
pub struct Sink {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    /// What it answers: status, and seconds to be left alone.
    pub answer: Arc<Mutex<(u16, Option<u64>)>>,
}

impl Sink {
    pub async fn new() -> Sink {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sink = Sink { url, received: Arc::default(), answer: Arc::new(Mutex::new((200, None))) };
        let own = sink.clone();
        let router = Router::new().fallback(move |uri: axum::http::Uri, headers: HeaderMap, body: Bytes| {
            let own = own.clone();
            async move {
                own.received.lock().unwrap().push(Received { path: uri.to_string(), headers, body: body.to_vec() });
                let (status, wait) = *own.answer.lock().unwrap();
                let mut headers = HeaderMap::new();
                wait.into_iter().for_each(|s| _ = headers.insert("retry-after", s.into()));
                (StatusCode::from_u16(status).unwrap(), headers, "so be it")
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        sink
    }

    pub fn says(&self, status: u16) {
        *self.answer.lock().unwrap() = (status, None);
    }

    /// Waits up to ten seconds for so many.
    pub async fn wait_for(&self, count: usize) {
        for _ in 0..1_000 {
            if self.received.lock().unwrap().len() >= count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{count} messages did not come");
    }

    /// What came since the last time.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

/// A mail server that takes everything; behind TLS if it is given.
pub struct MailSink {
    pub port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl MailSink {
    pub async fn new(
        implicit: Option<tokio_rustls::TlsAcceptor>,
        starttls: Option<tokio_rustls::TlsAcceptor>,
    ) -> MailSink {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = mails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, implicit, starttls) = (kept.clone(), implicit.clone(), starttls.clone());
                tokio::spawn(async move {
                    match implicit {
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            converse(stream, &kept, true, None).await;
                        }
                        None => {
                            let Some(stream) = converse(stream, &kept, true, starttls.as_ref()).await else { return };
                            let Ok(stream) = starttls.unwrap().accept(stream).await else { return };
                            converse(stream, &kept, false, None).await;
                        }
                    }
                });
            }
        });
        MailSink { port, mails }
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.mails.lock().unwrap())
    }
}

/// Speaks SMTP until the other side leaves, or asks for TLS: then the stream is handed back.
async fn converse<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: S,
    kept: &Mutex<Vec<String>>,
    greets: bool,
    starttls: Option<&tokio_rustls::TlsAcceptor>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 sink\r\n").await.ok()?;
    }
    let (mut mail, mut in_body) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        mail.push_str(&line);
        let word = line.split_whitespace().next().unwrap_or_default().to_uppercase();
        let answer: &[u8] = match word.as_str() {
            "." if in_body => {
                in_body = false;
                kept.lock().unwrap().push(std::mem::take(&mut mail));
                b"250 taken\r\n"
            }
            _ if in_body => continue,
            "EHLO" if starttls.is_some() => b"250-sink\r\n250 STARTTLS\r\n",
            "EHLO" => b"250-sink\r\n250 AUTH PLAIN LOGIN\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => b"235 welcome\r\n",
            "DATA" => {
                in_body = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await.ok()?;
    }
}
