//! A simulated host's line to the server: one HTTP/2 connection over TLS, as the agent's.

use crate::trust::server_name;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_guard::link::{COMPRESS_FROM_BYTES, SERVER_NAME};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// When the server does not say how long to wait.
const LATER_S: u64 = 2;
const LATER_S_MAX: u64 = 300;

/// An open line; dropping it cuts the connection.
pub struct Line {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: AbortHandle,
}

/// How a message was answered.
pub enum Reply<T> {
    /// Taken.
    Done(T),
    /// Come again after this time.
    Later(Duration),
}

impl Line {
    /// Connects.
    pub async fn dial(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Line> {
        let asked = tls.alpn_protocols.first().cloned();
        let dialled = async {
            let tcp = TcpStream::connect(address).await.context("connecting")?;
            tcp.set_nodelay(true)?;
            TlsConnector::from(tls).connect(server_name(), tcp).await.context("the TLS handshake")
        };
        let tls = tokio::time::timeout(CONNECT_TIMEOUT, dialled).await.context("no connection within 10 s")??;
        if tls.get_ref().1.alpn_protocol() != asked.as_deref() {
            bail!("the server did not choose the protocol that was asked for");
        }
        let made = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.context("starting HTTP/2")?;
        let (sender, connection) = made;
        // an error of the connection shows in its requests
        let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Line { sender, connection })
    }

    /// Sends a message, compressed as the agent does, and reads the answer.
    pub async fn post<T: Serialize, A: DeserializeOwned>(&self, path: &str, message: &T) -> Result<Reply<A>> {
        let mut body = serde_json::to_vec(message)?;
        let mut request = Request::builder().method(Method::POST).uri(address(path));
        if body.len() >= COMPRESS_FROM_BYTES && path.starts_with("/link/") {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(&body)?;
            body = encoder.finish()?;
            request = request.header("content-encoding", "lz4");
        }
        let request = request.header("content-type", "application/json").header("content-length", body.len());
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, self.answer(request.body(Full::new(body.into()))?));
        let (status, later, answer) = answered.await.with_context(|| format!("{path}: no answer within 60 s"))??;
        match status {
            StatusCode::OK | StatusCode::CREATED => Ok(Reply::Done(serde_json::from_slice(&answer)?)),
            StatusCode::NO_CONTENT => Ok(Reply::Done(serde_json::from_slice(b"null")?)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Ok(Reply::Later(later)),
            status => bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)])),
        }
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Duration, Bytes)> {
        let response = self.send(request).await?;
        let status = response.status();
        let later_s = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let later = Duration::from_secs(later_s.unwrap_or(LATER_S).clamp(1, LATER_S_MAX));
        let answer = match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
            Ok(answer) => answer.to_bytes(),
            Err(error) => bail!("reading the answer: {error}"),
        };
        Ok((status, later, answer))
    }

    /// Asks for a stream.
    pub async fn get(&self, path: &str) -> Result<Incoming> {
        let request = Request::builder().method(Method::GET).uri(address(path)).body(Full::default())?;
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => bail!("{path}: {status}"),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let mut sender = self.sender.clone();
        sender.ready().await.context("the line is closed")?;
        sender.send_request(request).await.context("sending a request")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn address(path: &str) -> String {
    format!("https://{SERVER_NAME}{path}")
}
