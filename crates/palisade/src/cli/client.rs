//! How a command reaches the API: the server named, else the server of this machine through its
//! socket, else (or with `--local`) the agent of this host.

use crate::config::Config;
use crate::link::http::{Target, Trust, body, send};
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use palisade_guard::cli::{ApiClient, Refusal};
use palisade_guard::contract::BoxFuture;
use serde_json::Value;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

const ANSWER_BYTES_MAX: usize = 64 << 20;

struct Client {
    target: Target,
    token: Option<String>,
}

/// Chooses the way.
pub fn choose(config: &Config, server: Option<&str>, local: bool) -> Result<Arc<dyn ApiClient>> {
    let unix = |path| -> Arc<dyn ApiClient> { Arc::new(Client { target: Target::Unix(path), token: None }) };
    if local {
        return Ok(unix(config.agent_socket()));
    }
    if let Some(server) = server {
        let token = std::env::var("PALISADE_TOKEN").ok().filter(|t| !t.is_empty());
        let token = token.context("PALISADE_SERVER is set, but PALISADE_TOKEN is not\nhint: make a token on the server's machine with `palisade api-token create`")?;
        return Ok(Arc::new(Client { target: tls(config, server)?, token: Some(token) }));
    }
    let socket = config.server_socket();
    if UnixStream::connect(&socket).is_ok() {
        return Ok(unix(socket));
    }
    Ok(unix(config.agent_socket()))
}

fn tls(config: &Config, server: &str) -> Result<Target> {
    let rest = server
        .strip_prefix("https://")
        .with_context(|| format!("`{server}` is no server address\nhint: write https://HOST:PORT"))?;
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().with_context(|| format!("`{port}` is no port"))?)
        }
        _ => (rest, 443),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Target::Tls { host, port, trust: trust(config)? })
}

fn trust(config: &Config) -> Result<Trust> {
    if let Ok(fingerprint) = std::env::var("PALISADE_FINGERPRINT") {
        return Ok(Trust::Fingerprint(fingerprint));
    }
    let path = std::env::var_os("PALISADE_CA").map_or_else(|| config.server_dir().join("ca.pem"), Into::into);
    let pem = std::fs::read_to_string(&path).with_context(|| {
        format!("reading the CA's certificate `{}`\nhint: give the file with PALISADE_CA, or the certificate's SHA-256 with PALISADE_FINGERPRINT", path.display())
    })?;
    Ok(Trust::Ca(pem))
}

impl ApiClient for Client {
    fn call<'a>(&'a self, method: &'static str, path: &'a str, given: Option<Value>) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let mut request = Request::builder().method(method).uri(path).header("host", "palisade");
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if given.is_some() {
                request = request.header("content-type", "application/json");
            }
            let bytes = given.map(|v| Bytes::from(v.to_string())).unwrap_or_default();
            let response =
                send(&self.target, request.body(Full::new(bytes))?).await.map_err(|e| self.unreachable(e))?;
            let status = response.status();
            answer(status, &body(response, ANSWER_BYTES_MAX).await?)
        })
    }
}

impl Client {
    fn unreachable(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.target {
            Target::Unix(_) => anyhow!(
                "{error:#}\nhint: start Palisade with `palisade up`, use the same --data-dir and the rights of root, or name a server with PALISADE_SERVER and PALISADE_TOKEN"
            ),
            Target::Tls { .. } => error,
        }
    }
}

/// What the server said, or why it refused, with its hint.
pub fn answer(status: StatusCode, bytes: &[u8]) -> Result<Value> {
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let value: Value =
        serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()));
    if status.is_success() {
        return Ok(value);
    }
    Err(Refusal { status: status.as_u16(), body: value }.into())
}
