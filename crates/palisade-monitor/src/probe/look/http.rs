//! A GET, over TLS where the URL says so. Redirects are answers like others: they are not followed.

use super::{Seen, said, shown, tcp, tls};
use crate::probe::spec::{Expected, ProbeSpec};
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// What is read of a body, in bytes; the rest is left.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

pub(super) async fn look(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    let url: Uri = spec.target.parse().map_err(|e| said(&e))?;
    let host = url.host().ok_or("the URL has no host")?;
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = tcp::connected(spec, &format!("{host}:{port}"), seen).await?;
    if !is_tls {
        return ask(stream, &url, spec, seen).await;
    }
    let (stream, chain) = tls::greeted(spec, host, stream).await?;
    chain.remember(seen);
    // nothing is asked of a server that is not who it should be
    chain.judge(spec.verify)?;
    ask(stream, &url, spec, seen).await
}

async fn ask<S>(stream: S, url: &Uri, spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let greeting = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = greeting.map_err(|e| said(&e))?;
    // runs only while this look polls it: it ends with the look, whatever the target does
    let mut connection = std::pin::pin!(connection);
    let answered = async {
        let answer = sender.send_request(request(url)?).await.map_err(|e| said(&e))?;
        let status = answer.status();
        seen.fact("status", status.as_u16());
        seen.values.push(("probe_http_status", f64::from(status.as_u16())));
        if let Some(location) = answer.headers().get(http::header::LOCATION) {
            seen.fact("location", shown(&String::from_utf8_lossy(location.as_bytes())));
        }
        let body = read(answer.into_body()).await?;
        seen.fact("bytes", body.len());
        judge(status, &body, &spec.expect)
    };
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        verdict = &mut answered => verdict,
        _ = &mut connection => answered.await,
    }
}

fn request(url: &Uri) -> Result<Request<Empty<Bytes>>, String> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    Request::get(path)
        .header("host", host)
        .header("user-agent", "palisade-probe")
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::new())
        .map_err(|e| said(&e))
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| said(&e))?;
        let Some(data) = frame.data_ref() else { continue };
        read.extend_from_slice(&data[..data.len().min(BODY_BYTES_MAX - read.len())]);
        if read.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    Ok(read)
}

/// Pure: whether the answer is what was expected.
fn judge(status: StatusCode, body: &[u8], expected: &Expected) -> Result<(), String> {
    match expected.status {
        Some(wanted) if status.as_u16() != wanted => return Err(format!("answered {status}, not {wanted}")),
        None if !(200..400).contains(&status.as_u16()) => return Err(format!("answered {status}")),
        _ => {}
    }
    let Some(wanted) = &expected.body else { return Ok(()) };
    let holds = body.windows(wanted.len()).any(|window| window == wanted.as_bytes());
    if holds {
        Ok(())
    } else {
        Err(format!("`{}` is not in the first {} bytes of the body", shown(wanted), body.len()))
    }
}
