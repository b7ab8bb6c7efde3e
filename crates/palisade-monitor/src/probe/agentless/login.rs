//! One login to a host without an agent (RFC 4251 to 4254).

use crate::outbound::{self, OutboundError, Reach};
use palisade_core::{HostAddress, HostId};
use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect, Preferred, SshId};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A connection takes no longer.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A whole visit takes no longer.
const VISIT_LIMIT: Duration = Duration::from_secs(30);
/// What the line may print.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Where and how to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// To which host.
    pub host: HostId,
    /// Where.
    pub address: HostAddress,
    /// The fingerprint that an operator has confirmed: `SHA256:…`.
    pub pinned: Option<String>,
    /// The server's own key.
    pub key: Arc<PrivateKey>,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreached(String),
    /// Nobody has confirmed the host's key yet.
    #[error("its host key is not confirmed yet: compare `{0}` with what the host says of itself, then pin it")]
    NotPinned(String),
    /// It shows another key than the one that was confirmed.
    #[error(
        "it shows the host key `{0}`, which is not the confirmed one: it was installed anew, or somebody stands in between"
    )]
    KeyChanged(String),
    /// It does not let the server in.
    #[error("it does not take the server's key for account `{0}`: put the line into ~{0}/.ssh/authorized_keys")]
    NotAuthorised(String),
    /// It printed something else than the line prints.
    #[error("{0}")]
    Nonsense(String),
}

/// What a visit brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The fingerprint of the key that the host has shown.
    pub shown: Option<String>,
    /// Until the host had let the server in, in seconds.
    pub login_s: f64,
    /// What the line printed.
    pub output: Result<Vec<u8>, Fault>,
}

/// Logs in, lets the host run its line, and reads what it prints.
pub async fn visit(login: &Login) -> Visit {
    let (started, shown) = (Instant::now(), Arc::new(Mutex::new(None)));
    let mut login_s = 0.0;
    let steps = async {
        let mut session = greeted(login, Arc::clone(&shown)).await?;
        let known = tokio::time::timeout(VISIT_LIMIT, authenticated(&mut session, login)).await;
        known.map_err(|_| late())??;
        login_s = started.elapsed().as_secs_f64();
        let output = printed(&session).await;
        // the host may be gone already
        let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
        output
    };
    let output = tokio::time::timeout(VISIT_LIMIT, steps).await.unwrap_or_else(|_| Err(late()));
    let shown = shown.lock().expect("no panic while held").clone();
    Visit { shown, login_s, output }
}

fn late() -> Fault {
    Fault::Unreached(format!("it did not answer within {} s", VISIT_LIMIT.as_secs()))
}

/// A session with a host that is the one that it should be.
async fn greeted(login: &Login, shown: Arc<Mutex<Option<String>>>) -> Result<Handle<Judge>, Fault> {
    let stream = connected(&login.address).await?;
    let judge = Judge { pinned: login.pinned.clone(), shown: Arc::clone(&shown) };
    let greeted = client::connect_stream(Arc::new(config()), stream, judge).await;
    greeted.map_err(|error| match (error, shown.lock().expect("no panic while held").clone()) {
        (russh::Error::UnknownKey, Some(key)) if login.pinned.is_none() => Fault::NotPinned(key),
        (russh::Error::UnknownKey, Some(key)) => Fault::KeyChanged(key),
        (error, _) => Fault::Unreached(format!("no SSH session: {error}")),
    })
}

/// Hosts of the fleet may stand in a private network; what only the server itself reaches is refused
/// whatever a name says.
async fn connected(address: &HostAddress) -> Result<TcpStream, Fault> {
    let unreached = |error: &OutboundError| Fault::Unreached(chain(error));
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    let target = format!("{host}:{}", address.port());
    let all = outbound::resolve(&target, Reach::Anywhere, CONNECT_LIMIT).await.map_err(|e| unreached(&e))?;
    let mut last = Fault::Unreached(format!("`{target}` is an address of the server itself or link-local"));
    for place in all.into_iter().filter(|place| !is_only_here(place.ip())) {
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(place)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Fault::Unreached(format!("connecting to {place}: {error}")),
            Err(_) => last = Fault::Unreached(format!("no connection to {place} within {} s", CONNECT_LIMIT.as_secs())),
        }
    }
    Err(last)
}

fn is_only_here(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn config() -> client::Config {
    let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let keys = curves.map(|curve| Algorithm::Ecdsa { curve });
    let keys = [Algorithm::Ed25519].into_iter().chain(keys).collect::<Vec<_>>();
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Palisade")),
        window_size: OUTPUT_BYTES_MAX as u32 * 2,
        inactivity_timeout: Some(VISIT_LIMIT),
        preferred: Preferred { key: Cow::Owned(keys), ..Preferred::DEFAULT },
        ..client::Config::default()
    }
}

/// Takes the one key that was confirmed, and notes what is shown.
struct Judge {
    pinned: Option<String>,
    shown: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Judge {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let is_confirmed = self.pinned.as_ref() == Some(&fingerprint);
        *self.shown.lock().expect("no panic while held") = Some(fingerprint);
        Ok(is_confirmed)
    }
}

async fn authenticated(session: &mut Handle<Judge>, login: &Login) -> Result<(), Fault> {
    let user = login.address.user();
    let key = PrivateKeyWithHashAlg::new(Arc::clone(&login.key), None);
    match session.authenticate_publickey(user, key).await {
        Ok(AuthResult::Success) => Ok(()),
        Ok(AuthResult::Failure { .. }) => Err(Fault::NotAuthorised(user.to_owned())),
        Err(error) => Err(Fault::Unreached(format!("logging in: {error}"))),
    }
}

/// Asks for a command, for the protocol wants one; the host runs the line that its own file holds.
async fn printed(session: &Handle<Judge>) -> Result<Vec<u8>, Fault> {
    let broken = |error: russh::Error| Fault::Unreached(format!("reading: {error}"));
    let mut channel = session.channel_open_session().await.map_err(broken)?;
    channel.exec(false, "palisade-sample").await.map_err(broken)?;
    let mut output = Vec::new();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } if output.len() + data.len() > OUTPUT_BYTES_MAX => {
                return Err(Fault::Nonsense(format!("it printed more than {OUTPUT_BYTES_MAX} bytes")));
            }
            ChannelMsg::Data { data } => output.extend_from_slice(&data),
            ChannelMsg::Close => break,
            // errors of the line are on standard error; what it could not read is missing in what it printed
            _ => {}
        }
    }
    Ok(output)
}
