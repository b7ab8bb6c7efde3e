//! One HTTP request to a receiver: over TLS or in the clear, to an address that may be reached, with
//! no redirect followed and a bounded answer.

use crate::outbound::{self, OutboundError, Reach};
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// For one request, from the name to the answer.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// For the connection alone.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// An address, in bytes.
pub const URL_BYTES_MAX: usize = 2_000;
/// Certificates in one `ca_pem`.
const CA_MAX: usize = 20;

/// A request.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The method.
    pub method: Method,
    /// Where: `https://host[:port]/path`.
    pub url: &'a str,
    /// Headers besides `host`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Authorities that are trusted besides the system's.
    pub ca_pem: Option<&'a str>,
    /// Which addresses may be reached.
    pub reach: Reach,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long the receiver wants to be left alone, in seconds form only.
    pub retry_after: Option<Duration>,
    /// The first 64 KiB.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address makes no sense.
    #[error("the address {0}")]
    Url(&'static str),
    /// There is no connection.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The certificates that are trusted cannot be read.
    #[error("reading the trusted certificates: {0}")]
    Trust(String),
    /// No TLS could be agreed on, or the certificate is not trusted.
    #[error("agreeing on TLS")]
    Tls(#[source] io::Error),
    /// The request could not be made.
    #[error("making the request")]
    Request(#[source] http::Error),
    /// The connection broke.
    #[error("speaking HTTP")]
    Http(#[source] hyper::Error),
    /// It took too long.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
}

/// The parts of an address, or what is wrong with it.
pub fn parsed(url: &str) -> Result<Uri, &'static str> {
    if url.len() > URL_BYTES_MAX {
        return Err("is too long");
    }
    let uri: Uri = url.parse().map_err(|_| "is none")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("begins with neither http:// nor https://");
    }
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') {
        return Err("holds a user or a password; set a secret instead");
    }
    if authority.host().is_empty() {
        return Err("names no host");
    }
    Ok(uri)
}

/// Makes the request.
pub async fn call(call: &Call<'_>) -> Result<Answer, HttpError> {
    tokio::time::timeout(TIMEOUT, called(call)).await.map_err(|_| HttpError::Timeout)?
}

async fn called(call: &Call<'_>) -> Result<Answer, HttpError> {
    let uri = parsed(call.url).map_err(HttpError::Url)?;
    let host = uri.host().unwrap_or_default();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = outbound::connect(&format!("{host}:{port}"), call.reach, CONNECT_TIMEOUT).await?;
    if !secure {
        return spoken(call, &uri, stream).await;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name =
        ServerName::try_from(bare).map_err(|_| HttpError::Url("names no host that a certificate could be for"))?;
    let connector = TlsConnector::from(trust(call.ca_pem)?);
    let stream = connector.connect(name, stream).await.map_err(HttpError::Tls)?;
    spoken(call, &uri, stream).await
}

async fn spoken<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    call: &Call<'_>,
    uri: &Uri,
    stream: S,
) -> Result<Answer, HttpError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Http)?;
    // dropped with this function, whatever becomes of the request
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder().method(call.method.clone()).uri(path).header("host", host);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let request = request
        .header("user-agent", concat!("palisade/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(call.body.clone())))
        .map_err(HttpError::Request)?;
    let answer = sender.send_request(request).await.map_err(HttpError::Http)?;
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // a longer or broken body does not change what the status says
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { status, retry_after: retry_after.map(Duration::from_secs), text })
}

/// Certificates as PEM; an error says what is wrong.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let list = read.map_err(|error| format!("no certificates as PEM: {error}"))?;
    if list.is_empty() || list.len() > CA_MAX {
        return Err(format!("{} certificates; 1 to {CA_MAX} are expected", list.len()));
    }
    Ok(list)
}

/// What certificates are checked against: the system's authorities, and those of `ca_pem`.
pub fn trust(ca_pem: Option<&str>) -> Result<Arc<ClientConfig>, HttpError> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = SYSTEM.get_or_init(system_roots).clone();
    if let Some(pem) = ca_pem {
        for certificate in certificates(pem).map_err(HttpError::Trust)? {
            roots.add(certificate).map_err(|error| HttpError::Trust(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| HttpError::Trust(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("this system trusts no authority; receivers need `ca_pem` in their channel");
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_without_a_password() {
        for url in ["https://example.org/a?b=c", "http://203.0.113.7:8080", "https://[2001:db8::1]:8443/x"] {
            assert!(parsed(url).is_ok(), "{url}");
        }
        for url in
            ["", "example.org", "ftp://example.org/", "file:///etc/passwd", "https://a:b@example.org/", "https://"]
        {
            assert!(parsed(url).is_err(), "{url}");
        }
        assert!(parsed(&format!("https://example.org/{}", "a".repeat(URL_BYTES_MAX))).is_err());
    }
}
