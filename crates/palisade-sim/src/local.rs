//! Requests over the server's own socket, as root on its machine.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The server's socket.
#[derive(Debug, Clone)]
pub struct Local {
    socket: PathBuf,
}

impl Local {
    /// Of a server with this data directory.
    pub fn new(data_dir: &Path) -> Local {
        Local { socket: data_dir.join("server/server.sock") }
    }

    /// True when somebody listens.
    pub async fn is_there(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
    }

    /// Sends a document and reads the answer, which must be good.
    pub async fn post(&self, path: &str, message: &Value) -> Result<Value> {
        self.ask(Method::POST, path, message.to_string()).await
    }

    /// Reads an answer, which must be good.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, String::new()).await
    }

    async fn ask(&self, method: Method, path: &str, message: String) -> Result<Value> {
        let stream = UnixStream::connect(&self.socket).await.context("connecting to the server's socket")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // an error of the connection shows in the request; the task ends with it
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "palisade")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(message)))?;
        let response = sender.send_request(request).await.with_context(|| format!("asking {path}"))?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// A token with which so many hosts can join.
    pub async fn join_token(&self, uses: usize) -> Result<String> {
        let answer = self.post("/api/v1/join-tokens", &json!({ "uses": uses, "for": "2h" })).await?;
        answer["token"].as_str().map(str::to_owned).context("the server's answer holds no token")
    }

    /// Shuts an address out on all hosts.
    pub async fn ban(&self, address: &str) -> Result<()> {
        let message = json!({ "address": address, "for": "12h", "reason": "simulated" });
        self.post("/api/v1/firewall/bans", &message).await.map(drop)
    }
}
