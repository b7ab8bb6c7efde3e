//! Who this host is to its server: its key, its certificate, and the root that it pins.
//!
//! One directory, `identity`, holds four files. A new identity is written whole into a directory
//! beside it, and a link is then turned over in one step: a crash leaves the old identity or the
//! new one, never a mixture.

use crate::link::certificate::{Facts, facts};
use crate::link::http::{self, fingerprint};
use crate::link::tls::{Clock, Pinned};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade_core::{HostId, Timestamp};
use palisade_guard::link::{ALPN, EpochProof, epoch_message};
use rcgen::{CertificateParams, DnType, KeyPair};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below the agent's directory: a link to the directory that is in force.
const LINK: &str = "identity";
/// The two directories that it leads to in turn.
const PLACES: [&str; 2] = ["identity.a", "identity.b"];
const KEY: &str = "host.key";
const CERTIFICATE: &str = "host.pem";
const ROOT: &str = "root.pem";
const SERVER: &str = "server.toml";

/// Where the server is, and what it is trusted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// SHA-256 of its root, lower-case hexadecimal.
    pub root: String,
}

/// The identity of this host.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name: the subject of its certificate.
    pub host: HostId,
    /// Its server.
    pub server: ServerAddress,
    /// What is in its certificate.
    pub facts: Facts,
    parts: Parts,
}

/// What an identity is made of, as PEM.
#[derive(Clone)]
pub struct Parts {
    /// The host's private key.
    pub key_pem: String,
    /// Its certificate and its issuer's.
    pub chain_pem: String,
    /// The root.
    pub root_pem: String,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // a key must not get into a log
        f.debug_struct("Parts").field("chain_pem", &self.chain_pem).finish_non_exhaustive()
    }
}

/// A new key, and the request for a certificate for it. The key never leaves the host.
pub fn new_request(host: &HostId) -> Result<(String, String)> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host.as_str());
    let csr = params.serialize_request(&key).context("making a certificate request")?;
    Ok((key.serialize_pem(), csr.pem().context("making a certificate request")?))
}

impl Identity {
    /// Puts an identity together, and checks that its parts belong together: key to certificate, the
    /// certificate to the root, the root to its SHA-256.
    pub fn new(server: ServerAddress, parts: Parts) -> Result<Identity> {
        let chain = http::pem_certificates(&parts.chain_pem).context("the host's certificate")?;
        let own = chain.first().context("there is no certificate")?;
        let facts = facts(own)?;
        let host = facts.common_name.parse().context("the subject of the host's certificate")?;
        let key = KeyPair::from_pem(&parts.key_pem).context("the host's key")?;
        ensure!(key.public_key_raw() == facts.public_key, "the host's key and certificate do not belong together");
        let identity = Identity { host, server, facts, parts };
        ensure!(fingerprint(&identity.root()?) == identity.server.root, "the stored root is not the pinned one");
        Ok(identity)
    }

    /// Reads the identity; `None` if this host has not joined a server.
    pub fn load(dir: &Path) -> Result<Option<Identity>> {
        let place = dir.join(LINK);
        let read = |name: &str| {
            let path = place.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))
        };
        match std::fs::symlink_metadata(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", place.display())),
            Ok(_) => {}
        }
        let server =
            toml::from_str(&read(SERVER)?).with_context(|| format!("in `{}`", place.join(SERVER).display()))?;
        let parts = Parts { key_pem: read(KEY)?, chain_pem: read(CERTIFICATE)?, root_pem: read(ROOT)? };
        let damaged = || {
            format!(
                "the identity in `{}`\nhint: join again with `palisade agent --join URL --token-file PATH`",
                place.display()
            )
        };
        Identity::new(server, parts).with_context(damaged).map(Some)
    }

    /// Stores the identity in place of the one before, whole or not at all.
    pub fn store(&self, dir: &Path) -> Result<()> {
        let link = dir.join(LINK);
        let [a, b] = PLACES;
        let first_in_force = std::fs::read_link(&link).is_ok_and(|to| to == Path::new(a));
        let (name, before) = if first_in_force { (b, a) } else { (a, b) };
        let place = fresh(&dir.join(name))?;
        let server = toml::to_string(&self.server).context("the server's address as TOML")?;
        write(&place.join(KEY), &self.parts.key_pem)?;
        write(&place.join(CERTIFICATE), &self.parts.chain_pem)?;
        write(&place.join(ROOT), &self.parts.root_pem)?;
        write(&place.join(SERVER), &server)?;
        sync(&place)?;
        let doing = || format!("putting `{}` in force", place.display());
        let turned = dir.join("identity.new");
        let _ = std::fs::remove_file(&turned);
        std::os::unix::fs::symlink(name, &turned).with_context(doing)?;
        std::fs::rename(&turned, &link).with_context(doing)?;
        sync(dir)?;
        // the key before is of no use any more; should it stay, the next store removes it
        let _ = std::fs::remove_dir_all(dir.join(before));
        Ok(())
    }

    /// The same host with a new key and certificate.
    pub fn renewed(&self, key_pem: String, chain_pem: String) -> Result<Identity> {
        let parts = Parts { key_pem, chain_pem, root_pem: self.parts.root_pem.clone() };
        let renewed = Identity::new(self.server.clone(), parts)?;
        ensure!(renewed.host == self.host, "the new certificate is for `{}`, not for `{}`", renewed.host, self.host);
        Ok(renewed)
    }

    /// The identity of a copy of this host, under a name of its own.
    pub fn another(&self, key_pem: String, chain_pem: String) -> Result<Identity> {
        let parts = Parts { key_pem, chain_pem, root_pem: self.parts.root_pem.clone() };
        let another = Identity::new(self.server.clone(), parts)?;
        ensure!(another.host != self.host, "the certificate for a copy is for `{}` itself", self.host);
        Ok(another)
    }

    /// TLS towards the server: shows our certificate, trusts the pinned root, checks the fixed name.
    /// `server_name()` of `link::tls` is what to connect with.
    pub fn tls(&self, clock: Clock) -> Result<ClientConfig> {
        let pinned = Pinned::new(&self.server.root, Some(self.root()?), clock);
        let chain = http::pem_certificates(&self.parts.chain_pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.parts.key_pem.as_bytes()).context("the host's key")?;
        let mut config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_client_auth_cert(chain, key)
            .context("using the host's certificate")?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.facts.not_after
    }

    /// Whether it is time to ask for the next certificate: two thirds of this one's life are over.
    pub fn needs_renewal(&self, now: Timestamp) -> bool {
        now >= self.facts.part_over(2, 3)
    }

    /// Whether the root has signed that this epoch has begun.
    pub fn epoch_is_proven(&self, proof: &EpochProof) -> Result<bool> {
        let root = facts(&self.root()?)?;
        let Ok(signature) = STANDARD.decode(&proof.signature) else { return Ok(false) };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, root.public_key);
        Ok(key.verify(&epoch_message(proof.epoch), &signature).is_ok())
    }

    /// What it is made of.
    #[cfg(test)]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    fn root(&self) -> Result<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(self.parts.root_pem.as_bytes()).context("the root's certificate")
    }
}

/// An empty private directory; what an earlier attempt left in it is removed.
fn fresh(place: &Path) -> Result<PathBuf> {
    let doing = || format!("making `{}`", place.display());
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(doing),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(place).with_context(doing)?;
    Ok(place.to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("writing `{}`", path.display());
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)?;
    file.sync_all().with_context(doing)
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).with_context(|| format!("syncing `{}`", dir.display()))
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
