//! The identity of a simulated host: a key of its own and the certificate that a real join gives.

use crate::line::{Line, Reply};
use crate::trust::{Pinned, provider};
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::HostId;
use palisade_guard::link::ALPN;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a join token begins with; behind it stand 32 random bytes and the SHA-256 of the root.
const TOKEN_PREFIX: &str = "plj_";

/// How often a host comes again that is asked to join later.
const TRIES_MAX: u32 = 5;

/// Who a simulated host is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name, as the server gave it.
    pub host: HostId,
    /// How it connects.
    pub tls: Arc<ClientConfig>,
}

impl Identity {
    /// From a key and its chain (host, issuer), for the server with the pinned root.
    pub fn new(host: HostId, key: &KeyPair, chain_pem: &str, root: Arc<Pinned>) -> Result<Identity> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut tls = builder(root).with_client_auth_cert(chain, key).context("the host's certificate")?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // every connection is a whole handshake, as after a restart of the server
        tls.resumption = Resumption::disabled();
        Ok(Identity { host, tls: Arc::new(tls) })
    }
}

/// The SHA-256 of the root that a join token carries.
pub fn root_of(token: &str) -> Result<[u8; 32]> {
    let bytes = token.strip_prefix(TOKEN_PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let root = bytes.as_deref().and_then(|bytes| bytes.get(32..)?.try_into().ok());
    root.context("the server's join token has another form than this simulator knows")
}

#[derive(Deserialize)]
struct Joined {
    host: HostId,
    chain: String,
}

/// Joins hosts one after the other over one connection.
pub struct Joiner {
    line: Line,
    token: String,
    root: Arc<Pinned>,
}

impl Joiner {
    /// Connects as a host does that has no certificate yet.
    pub async fn connect(address: SocketAddr, token: &str, root: Arc<Pinned>) -> Result<Joiner> {
        let mut tls = builder(Arc::clone(&root)).with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Joiner { line: Line::dial(address, Arc::new(tls)).await?, token: token.to_owned(), root })
    }

    /// Makes a key and joins under a name.
    pub async fn join(&self, name: &HostId) -> Result<Identity> {
        let key = KeyPair::generate().context("making a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        let csr = params.serialize_request(&key).and_then(|csr| csr.pem()).context("asking for a certificate")?;
        let message = json!({ "token": self.token, "csr": csr, "name": name });
        for _ in 0..TRIES_MAX {
            match self.line.post::<_, Joined>("/api/v1/join", &message).await? {
                Reply::Done(joined) => return Identity::new(joined.host, &key, &joined.chain, Arc::clone(&self.root)),
                Reply::Later(wait) => tokio::time::sleep(wait).await,
            }
        }
        bail!("the server asked {name} {TRIES_MAX} times to join later")
    }
}

fn builder(root: Arc<Pinned>) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(root)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_carries_the_root_behind_its_secret() {
        let bytes: Vec<u8> = (0..64).collect();
        let token = format!("plj_{}", URL_SAFE_NO_PAD.encode(&bytes));
        assert_eq!(root_of(&token).unwrap(), bytes[32..]);
        for wrong in ["", "plj_", "plj_AAAA", "x", &token[1..], &format!("{token}AAAA")] {
            assert!(root_of(wrong).is_err(), "{wrong}");
        }
    }
}
