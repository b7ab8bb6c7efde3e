//! Connections that the server makes because a document says so: to receivers of notifications and
//! to what probes look at.
//!
//! **Against** a document that makes the server speak to what only the server can reach: services on
//! its loopback, its neighbours in a private network, the metadata service of a cloud, its own API.
//! A name is resolved once, every address is judged, and the connection goes to an address that was
//! judged: a name that changes its mind between the look and the connection gains nothing.

use nix::ifaddrs::getifaddrs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Which addresses may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Addresses of the internet, without those of the server itself.
    Public,
    /// An admin has allowed loopback, private and link-local addresses, and the server's own.
    Anywhere,
}

impl Reach {
    /// By the field `allow_private` of a document.
    pub fn of(allow_private: bool) -> Reach {
        if allow_private { Reach::Anywhere } else { Reach::Public }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The target is not `host:port`.
    #[error("`{0}` is not of the form host:port")]
    Target(String),
    /// Nobody knows the name.
    #[error("resolving `{host}`")]
    Resolve {
        /// The name.
        host: String,
        /// The cause.
        source: io::Error,
    },
    /// The address must not be reached.
    #[error("`{address}` is {what}; an admin can allow it with `allow_private: true`")]
    Forbidden {
        /// Which.
        address: IpAddr,
        /// Why: `a loopback address`.
        what: &'static str,
    },
    /// Nobody answers there.
    #[error("connecting to {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// It took too long.
    #[error("no connection to `{target}` within {} ms", timeout.as_millis())]
    Timeout {
        /// Where.
        target: String,
        /// How long was waited.
        timeout: Duration,
    },
}

/// A connection to `target` (`host:port`, IPv6 in brackets), at one of its permitted addresses, within
/// `timeout` for all of it.
pub async fn connect(target: &str, allow: Reach, timeout: Duration) -> Result<TcpStream, OutboundError> {
    let late = || OutboundError::Timeout { target: shown(target), timeout };
    tokio::time::timeout(timeout, connected(target, allow)).await.map_err(|_| late())?
}

/// The permitted addresses of `target` (`host:port`), at least one; for what is no TCP connection.
/// Use the address that is returned: asking for the name again may give another.
pub async fn resolve(target: &str, allow: Reach, timeout: Duration) -> Result<Vec<SocketAddr>, OutboundError> {
    let late = || OutboundError::Timeout { target: shown(target), timeout };
    tokio::time::timeout(timeout, resolved(target, allow)).await.map_err(|_| late())?
}

/// Refuses what `allow` does not reach, by the address alone: no look at the machine.
pub fn permitted(ip: IpAddr, allow: Reach) -> Result<(), OutboundError> {
    let forbidden = match ip.to_canonical() {
        IpAddr::V4(v4) => never_v4(v4).or_else(|| private_v4(v4).filter(|_| allow == Reach::Public)),
        IpAddr::V6(v6) => never_v6(v6).or_else(|| private_v6(v6).filter(|_| allow == Reach::Public)),
    };
    forbidden.map_or(Ok(()), |what| Err(OutboundError::Forbidden { address: ip, what }))
}

async fn connected(target: &str, allow: Reach) -> Result<TcpStream, OutboundError> {
    let mut last = OutboundError::Target(shown(target));
    for address in resolved(target, allow).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(source) => last = OutboundError::Connect { address, source },
        }
    }
    Err(last)
}

async fn resolved(target: &str, allow: Reach) -> Result<Vec<SocketAddr>, OutboundError> {
    let refused = || OutboundError::Target(shown(target));
    let (host, port) = target.rsplit_once(':').ok_or_else(refused)?;
    let port: u16 = port.parse().map_err(|_| refused())?;
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || port == 0 {
        return Err(refused());
    }
    let unknown = |source| OutboundError::Resolve { host: shown(host), source };
    let all: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(unknown)?.take(ADDRESSES_MAX).collect();
    let own = if allow == Reach::Public { own_addresses() } else { Vec::new() };
    let judged = |address: &SocketAddr| {
        permitted(address.ip(), allow)?;
        let is_own = own.contains(&address.ip().to_canonical());
        let what = "an address of the server itself";
        if is_own { Err(OutboundError::Forbidden { address: address.ip(), what }) } else { Ok(()) }
    };
    let mut refusal = unknown(io::Error::other("the name has no address"));
    let mut good = Vec::with_capacity(all.len());
    for address in all {
        match judged(&address) {
            Ok(()) => good.push(address),
            Err(error) => refusal = error,
        }
    }
    if good.is_empty() { Err(refusal) } else { Ok(good) }
}

/// The addresses of this machine's interfaces; none where they cannot be read.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip()).to_canonical()))
    };
    interfaces.filter_map(|interface| ip(interface.address?)).collect()
}

/// What nobody is reached at, whoever allows it.
fn never_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("no address of a host"),
        [224..=239, ..] => Some("a multicast address"),
        [255, 255, 255, 255] => Some("the broadcast address"),
        _ => None,
    }
}

/// Networks that are not the internet: RFC 1918, 3927, 6598, 6890, 2544 and 1112.
fn private_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [127, ..] => Some("a loopback address"),
        [169, 254, ..] => Some("a link-local address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Some("a private address"),
        [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

fn never_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unspecified() {
        return Some("no address of a host");
    }
    ip.is_multicast().then_some("a multicast address")
}

/// RFC 4291, 4193 and 3879; and addresses that stand for an IPv4 address: RFC 6052, 3056.
fn private_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("a private address"),
        [0x64, 0xff9b, 1, ..] => Some("a private address"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] | [0, 0, 0, 0, 0, 0, high, low] => {
            never_v4(v4(high, low)).or_else(|| private_v4(v4(high, low)))
        }
        _ => None,
    }
}

/// A part of what was asked for, for an error text.
fn shown(target: &str) -> String {
    target.chars().take(100).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn allowed(ip: &str, allow: Reach) -> bool {
        permitted(ip.parse().unwrap(), allow).is_ok()
    }

    #[test]
    fn only_addresses_of_the_internet_are_reached_unless_an_admin_allows_more() {
        for ip in ["203.0.113.7", "198.51.100.1", "8.8.8.8", "2001:db8::1", "2a00::1", "64:ff9b::808:808"] {
            assert!(allowed(ip, Reach::Public), "{ip}");
        }
        let private = "127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 \
            192.0.0.1 198.18.0.1 250.0.0.1 ::1 fe80::1 fd00::1 fec0::1 ::ffff:127.0.0.1 ::ffff:10.1.1.1 \
            64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1::1 ::7f00:1";
        for ip in private.split_whitespace() {
            assert!(!allowed(ip, Reach::Public), "{ip}");
            assert!(allowed(ip, Reach::Anywhere), "{ip}");
        }
        for ip in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0"] {
            assert!(!allowed(ip, Reach::Anywhere), "{ip}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_loopback_is_refused() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
            let error = connect(&format!("{host}:{port}"), Reach::Public, Duration::from_secs(5)).await.unwrap_err();
            let refused = matches!(error, OutboundError::Forbidden { .. } | OutboundError::Resolve { .. });
            assert!(refused, "{host}: {error}");
        }
        assert!(connect(&format!("127.0.0.1:{port}"), Reach::Anywhere, Duration::from_secs(5)).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_target_is_named() {
        for target in ["", "a", ":80", "a:", "a:0", "a:65536"] {
            let error = connect(target, Reach::Anywhere, Duration::from_secs(5)).await.unwrap_err();
            assert!(matches!(error, OutboundError::Target(_)), "{target}: {error}");
        }
    }
}
