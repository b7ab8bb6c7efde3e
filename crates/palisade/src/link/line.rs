//! An agent's line to its server: one HTTP/2 connection over mutual TLS, or the socket of the server
//! on the same machine, where every request is a connection of its own.

use super::http::{self, Target};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use palisade_guard::link::{COMPRESS_FROM_BYTES, REPORT_BYTES_MAX, SERVER_NAME};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The server is asked for a sign of life this often, and given up when none comes.
const PING_EVERY: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// A line that is open.
pub enum Line {
    /// A new connection per request.
    Socket(PathBuf),
    /// One connection for all of them.
    Tls(http2::SendRequest<Full<Bytes>>),
}

/// How a message was answered that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Come again after this time: the server has too much to do, or this host sends too much.
    #[error("the server asks to come again in {} s", .0.as_secs())]
    Later(Duration),
    /// Refused.
    #[error("{path}: {status}: {said}")]
    Refused {
        /// The address.
        path: String,
        /// The status.
        status: StatusCode,
        /// The answer's own words.
        said: String,
    },
    /// The line is broken.
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

impl Line {
    /// Dials a server over the network.
    pub async fn dial(host: &str, port: u16, config: Arc<ClientConfig>) -> Result<Line> {
        let name = ServerName::try_from(SERVER_NAME).context("the server's fixed name")?;
        let dialled = async {
            let tcp = TcpStream::connect((host, port)).await.with_context(|| format!("connecting to {host}:{port}"))?;
            let _ = tcp.set_nodelay(true);
            TlsConnector::from(config).connect(name, tcp).await.with_context(|| format!("TLS with {host}:{port}"))
        };
        let tls = tokio::time::timeout(CONNECT_TIMEOUT, dialled)
            .await
            .with_context(|| format!("connecting to {host}:{port}: no answer within 10 s"))??;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
        builder.keep_alive_while_idle(true);
        let (sender, connection) = builder.handshake(TokioIo::new(tls)).await.context("starting HTTP/2")?;
        // an error of the connection shows in its requests; the task ends with it
        tokio::spawn(connection);
        Ok(Line::Tls(sender))
    }

    /// Sends a message and reads its answer.
    pub async fn post<T: Serialize, A: DeserializeOwned>(&self, path: &str, message: &T) -> Result<A, LineError> {
        let request = self.message(path, message)?;
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request)).await;
        let response = answered.context("no answer within 60 s")??;
        let status = response.status();
        let later = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let answer = http::body(response, ANSWER_BYTES_MAX).await?;
        match status {
            StatusCode::NO_CONTENT => serde_json::from_slice(b"null").context("an empty answer").map_err(Into::into),
            StatusCode::OK => {
                serde_json::from_slice(&answer).with_context(|| format!("the answer to {path}")).map_err(Into::into)
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(LineError::Later(Duration::from_secs(later.unwrap_or(2).clamp(1, 300))))
            }
            status => {
                let said = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
                Err(LineError::Refused { path: path.to_owned(), status, said })
            }
        }
    }

    /// Asks for a stream.
    pub async fn get(&self, path: &str) -> Result<Response<Incoming>> {
        let request = Request::builder().method(Method::GET).uri(self.address(path)).body(Full::default())?;
        self.send(self.with_host(request)).await
    }

    fn message<T: Serialize>(&self, path: &str, message: &T) -> Result<Request<Full<Bytes>>> {
        let mut bytes = serde_json::to_vec(message)?;
        if bytes.len() > REPORT_BYTES_MAX {
            bail!("a message of {} bytes is larger than the {REPORT_BYTES_MAX} that a server reads", bytes.len());
        }
        let mut request = Request::builder().method(Method::POST).uri(self.address(path));
        if bytes.len() >= COMPRESS_FROM_BYTES && matches!(self, Line::Tls(_)) {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(&bytes)?;
            bytes = encoder.finish().context("compressing a message")?;
            request = request.header("content-encoding", "lz4");
        }
        let request = request.header("content-type", "application/json").header("content-length", bytes.len());
        Ok(self.with_host(request.body(Full::new(Bytes::from(bytes)))?))
    }

    /// HTTP/2 carries the host in the address, HTTP/1 in a header.
    fn address(&self, path: &str) -> String {
        match self {
            Line::Socket(_) => path.to_owned(),
            Line::Tls(_) => format!("https://{SERVER_NAME}{path}"),
        }
    }

    fn with_host(&self, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        if matches!(self, Line::Socket(_)) {
            request.headers_mut().insert("host", hyper::header::HeaderValue::from_static("palisade"));
        }
        request
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        match self {
            Line::Socket(path) => http::send(&Target::Unix(path.clone()), request).await,
            Line::Tls(sender) => {
                let mut sender = sender.clone();
                sender.ready().await.context("the line is closed")?;
                sender.send_request(request).await.context("sending a request")
            }
        }
    }
}
