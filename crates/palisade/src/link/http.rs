//! A small HTTP client over a Unix socket or TLS, and the way a server accepts on a Unix socket.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where requests go.
#[derive(Debug, Clone)]
pub enum Target {
    /// A socket file of this machine.
    Unix(PathBuf),
    /// An HTTPS server, trusted by its CA's certificate (PEM) or by its fingerprint.
    Tls {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// How it is trusted.
        trust: Trust,
    },
}

/// How a server's certificate is trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Signed by this CA (PEM).
    Ca(String),
    /// The certificate, or the CA that comes with it, has this SHA-256 (lower-case hexadecimal).
    Fingerprint(String),
}

/// One request on a connection of its own.
pub async fn send(target: &Target, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
    match target {
        Target::Unix(path) => {
            let stream = connect_unix(path).await?;
            exchange(TokioIo::new(stream), request).await
        }
        Target::Tls { host, port, trust } => {
            let tcp = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), *port)))
                .await
                .with_context(|| format!("connecting to {host}:{port}: no answer within 10 s"))?
                .with_context(|| format!("connecting to {host}:{port}"))?;
            let name = ServerName::try_from(host.clone()).with_context(|| format!("`{host}` is no server name"))?;
            let connector = TlsConnector::from(Arc::new(client_config(trust)?));
            let tls = connector.connect(name, tcp).await.with_context(|| format!("TLS with {host}:{port}"))?;
            exchange(TokioIo::new(tls), request).await
        }
    }
}

/// Connects to a socket file.
pub async fn connect_unix(path: &Path) -> Result<UnixStream> {
    UnixStream::connect(path).await.with_context(|| format!("connecting to the socket `{}`", path.display()))
}

/// One request on a connection that is used for nothing else.
pub async fn exchange<T>(io: T, request: Request<Full<Bytes>>) -> Result<Response<Incoming>>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(io).await.context("starting HTTP")?;
    // an error of the connection shows in the response; the task ends with it
    tokio::spawn(connection);
    sender.send_request(request).await.context("sending the request")
}

/// The whole body, up to `bytes_max`.
pub async fn body(response: Response<Incoming>, bytes_max: usize) -> Result<Bytes> {
    let limited = http_body_util::Limited::new(response.into_body(), bytes_max);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => bail!("reading the answer: {error}"),
    }
}

fn client_config(trust: &Trust) -> Result<ClientConfig> {
    let builder = ClientConfig::builder();
    Ok(match trust {
        Trust::Ca(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in pem_certificates(pem)? {
                roots.add(certificate).context("the CA's certificate")?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Fingerprint(expected) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { expected: expected.to_lowercase().replace(':', "") }))
            .with_no_client_auth(),
    })
}

/// The certificates of a PEM text.
pub fn pem_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().context("reading certificates")
}

/// SHA-256 of a certificate, lower-case hexadecimal.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Accepts exactly the certificate chain that holds the pinned certificate, whatever its names.
#[derive(Debug)]
struct Pinned {
    expected: String,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // only the end certificate proves possession of a key in this handshake
        if fingerprint(end) == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(
                "the server's certificate has another fingerprint than PALISADE_FINGERPRINT".into(),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
