//! What a host joins with: the token, the address of the server, and the two messages.
//!
//! A token is `plj_` and 64 bytes in base64url (RFC 4648, 5) without padding: 32 random bytes that only
//! the operator and the server's database (as a hash) know, and the SHA-256 of the root certificate of
//! the server that made it. So whoever holds a token knows which server may see it, before it is sent.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::{HostId, Profile, Tags};
use palisade_guard::store::HostFacts;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use utoipa::ToSchema;

const PREFIX: &str = "plj_";
const SECRET_BYTES: usize = 32;
const ROOT_BYTES: usize = 32;
/// The port of an address that names none (RFC 9110, 4.2.2).
const HTTPS_PORT: u16 = 443;
/// The longest name in the DNS, in bytes (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// A join token. It has no `Debug`: it must not get into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken([u8; SECRET_BYTES + ROOT_BYTES]);

/// The text is no join token. It is not repeated: it may be one with a slip of the pen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no join token: it begins with `plj_` and has 90 characters")]
pub struct JoinTokenError;

impl JoinToken {
    /// A new one for the server whose root certificate has this SHA-256; `None` if that is no hash.
    pub fn new(root_fingerprint: &str) -> Option<JoinToken> {
        let mut bytes = [0; SECRET_BYTES + ROOT_BYTES];
        getrandom::fill(&mut bytes[..SECRET_BYTES]).expect("the kernel has randomness");
        bytes[SECRET_BYTES..].copy_from_slice(&unhex(root_fingerprint)?);
        Some(JoinToken(bytes))
    }

    /// The text that the operator is given.
    pub fn secret(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// SHA-256 of the root certificate of the server that made it, lower-case hexadecimal.
    pub fn root_fingerprint(&self) -> String {
        self.0[SECRET_BYTES..].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<JoinToken, JoinTokenError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(JoinTokenError)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| JoinTokenError)?;
        Ok(JoinToken(bytes.try_into().map_err(|_| JoinTokenError)?))
    }
}

fn unhex(text: &str) -> Option<[u8; ROOT_BYTES]> {
    let mut bytes = [0; ROOT_BYTES];
    if text.len() != 2 * ROOT_BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// `https://HOST[:PORT]`, nothing behind it. The host is a DNS name or an address, so that it can stand
/// in a script or a URL as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// The text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address of a server: write https://HOST or https://HOST:PORT")]
pub struct ServerUrlError(String);

impl ServerUrl {
    /// From a name or address and a port; checked as text is.
    pub fn new(host: &str, port: u16) -> Result<ServerUrl, ServerUrlError> {
        let host = ServerUrl { host: host.to_owned(), port };
        host.to_string().parse()
    }

    /// Host and port, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<ServerUrl, ServerUrlError> {
        let error = || ServerUrlError(text.chars().take(80).flat_map(char::escape_default).collect());
        let rest = text.strip_prefix("https://").ok_or_else(error)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or_else(error)?;
                let address: Ipv6Addr = address.parse().map_err(|_| error())?;
                (address.to_string(), port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(error)?)
            }
            None => {
                let (host, port) = rest.split_once(':').unwrap_or((rest, ""));
                (host.to_owned(), port)
            }
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        let name_ok = host.contains(':')
            || (host.bytes().all(plain) && host.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric));
        let port = if port.is_empty() { Ok(HTTPS_PORT) } else { port.parse() };
        match port {
            Ok(port) if name_ok && port > 0 && host.len() <= NAME_BYTES_MAX => Ok(ServerUrl { host, port }),
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = ServerUrlError;

    fn try_from(text: String) -> Result<ServerUrl, ServerUrlError> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> String {
        url.to_string()
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

/// A host that asks to join.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinParams {
    /// The join token.
    pub token: String,
    /// Certificate request (PKCS #10, PEM). Only its public key counts.
    pub csr: String,
    /// The name that the host would like; it may be given another one.
    pub name: HostId,
    /// What tells this machine from a copy of its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// What it says about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<HostFacts>,
}

/// The host belongs to the fleet now.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// The name by which it is known from now on.
    pub host: HostId,
    /// Its certificate and the issuer's, PEM.
    pub chain: String,
    /// The root's certificate, PEM.
    pub root: String,
    /// What it joined with.
    pub profile: Profile,
    /// Where it stands, in the operator's own words.
    pub region: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_carries_the_fingerprint_of_the_root_and_reads_as_it_was_written() {
        let root = "ab".repeat(32);
        let token = JoinToken::new(&root).unwrap();
        let text = token.secret();
        assert!(text.starts_with("plj_") && text.len() == 90, "{}", text.len());
        let read: JoinToken = format!(" {text}\n").parse().unwrap();
        assert!(read == token && read.root_fingerprint() == root);
        assert!(JoinToken::new(&root).unwrap() != token);
        assert!(JoinToken::new("abc").is_none() && JoinToken::new(&"é".repeat(32)).is_none());
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        let short = format!("plj_{}", URL_SAFE_NO_PAD.encode([1u8; 63]));
        let long = format!("plj_{}", URL_SAFE_NO_PAD.encode([1u8; 65]));
        for text in ["", "plj_", "pal_AAAA", "plj_äöü", &short, &long] {
            let error = text.parse::<JoinToken>().err().unwrap();
            assert!(text.is_empty() || text == "plj_" || !error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn an_address_of_a_server_is_https_a_host_and_a_port() {
        for (text, read) in [
            ("https://palisade.example.org", "https://palisade.example.org:443"),
            ("https://203.0.113.7:8443/", "https://203.0.113.7:8443"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().map(|u| u.to_string()).unwrap(), read);
        }
    }

    #[test]
    fn an_address_can_never_hold_what_a_shell_or_a_url_would_take_for_more() {
        for text in [
            "http://a",
            "https://",
            "https://a/b",
            "https://a:0",
            "https://a:99999",
            "https://a:b",
            "https://-a",
            "https://a b",
            "https://a;reboot",
            "https://$(reboot)",
            "https://a'b",
            "https://a\nb",
            "https://u@a",
            "https://a?b",
            "https://[::1",
            "https://[::1]x",
            "https://[a]:1",
            "https://::1:443",
            "https://a:1:2",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
    }
}
