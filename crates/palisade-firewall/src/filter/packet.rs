//! A packet in words, as people write it: `tcp 203.0.113.9:40000 -> web-1:22`.
//!
//! First what is spoken (`tcp`, `udp`, `icmp`, `icmpv6`, `gre`, `proto 112`), then who begins, then
//! whom it is for; one of them is a host by its name, the other an address (of IPv6 in brackets where
//! a port follows). TCP and UDP need the port at the end; the source port may be left out. Then, if
//! wanted, `type 13` for ICMP (else an echo request) and `by wg0` for the interface of the host.

use super::judge::{Payload, Probe};
use crate::group::model::Direction;
use palisade_core::HostId;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 300;
/// Longer names of interfaces the kernel does not know.
const INTERFACE_BYTES_MAX: usize = 15;

/// A packet and the host that judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketText {
    /// Whose rules are asked.
    pub host: HostId,
    /// The packet.
    pub probe: Probe,
    /// Its source port, if it was written.
    pub source_port: Option<u16>,
}

/// Why a text is no packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at character {position})")]
pub struct PacketError {
    /// What is wrong.
    pub what: String,
    /// Where, in characters from 1.
    pub position: usize,
    /// How it is written.
    pub hint: &'static str,
}

const HINT: &str = "for example `tcp 203.0.113.9:40000 -> web-1:22`, `udp web-1 -> [2001:db8::1]:53`, \
                    `icmp 203.0.113.9 -> web-1 type 8 by wg0`, `proto 112 203.0.113.9 -> web-1`";

impl FromStr for PacketText {
    type Err = PacketError;

    fn from_str(text: &str) -> Result<PacketText, PacketError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(error(TEXT_BYTES_MAX, format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        let mut words = Words::of(text);
        let spoken = spoken(&mut words)?;
        let from = side(words.next("who begins")?, "source")?;
        let arrow = words.next("`->`")?;
        if arrow.1 != "->" {
            return Err(error(arrow.0, format!("`{}` where `->` belongs", shown(arrow.1))));
        }
        let to_word = words.next("whom it is for")?;
        let to = side(to_word, "destination")?;
        let (kind, interface) = options(&mut words, spoken)?;
        let (direction, host, peer) = match (from.who, to.who) {
            (Who::Address(peer), Who::Host(host)) => (Direction::In, host, peer),
            (Who::Host(host), Who::Address(peer)) => (Direction::Out, host, peer),
            (Who::Host(_), Who::Host(_)) => {
                return Err(error(
                    to_word.0,
                    "both sides are names: one of them is the host, the other an address".into(),
                ));
            }
            (Who::Address(_), Who::Address(_)) => {
                return Err(error(to_word.0, "both sides are addresses: one of them is a host, by its name".into()));
            }
        };
        let ports = (from.port, to.port);
        let payload = payload(spoken, kind, ports, (direction, peer)).map_err(|what| error(to_word.0, what))?;
        Ok(PacketText { host, probe: Probe { direction, payload, peer, interface }, source_port: from.port })
    }
}

impl fmt::Display for PacketText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let probe = &self.probe;
        let kind = match probe.payload {
            Payload::Tcp(_) => write!(f, "tcp ").map(|()| None),
            Payload::Udp(_) | Payload::Lease => write!(f, "udp ").map(|()| None),
            Payload::Icmp(kind) if probe.peer.is_ipv4() => write!(f, "icmp ").map(|()| Some(kind)),
            Payload::Icmp(kind) => write!(f, "icmpv6 ").map(|()| Some(kind)),
            Payload::Gre => write!(f, "gre ").map(|()| None),
            Payload::Other(number) => write!(f, "proto {number} ").map(|()| None),
        }?;
        let host = |port: Option<u16>| port.map_or(self.host.to_string(), |port| format!("{}:{port}", self.host));
        let peer = |port: Option<u16>| {
            port.map_or(probe.peer.to_string(), |port| SocketAddr::new(probe.peer, port).to_string())
        };
        match probe.direction {
            Direction::In => write!(f, "{} -> {}", peer(self.source_port), host(probe.port()))?,
            Direction::Out => write!(f, "{} -> {}", host(self.source_port), peer(probe.port()))?,
        }
        kind.map_or(Ok(()), |kind| write!(f, " type {kind}"))?;
        probe.interface.as_ref().map_or(Ok(()), |interface| write!(f, " by {interface}"))
    }
}

/// What is spoken, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Gre,
    Number(u8),
}

fn spoken(words: &mut Words<'_>) -> Result<Spoken, PacketError> {
    let (position, word) = words.next("`tcp`, `udp`, `icmp`, `icmpv6`, `gre` or `proto` and a number")?;
    match word {
        "tcp" => Ok(Spoken::Tcp),
        "udp" => Ok(Spoken::Udp),
        "icmp" => Ok(Spoken::Icmp),
        "icmpv6" => Ok(Spoken::Icmpv6),
        "gre" => Ok(Spoken::Gre),
        "proto" => {
            let number = words.next("the number of a protocol")?;
            match byte(number, "the number of a protocol")? {
                1 | 6 | 17 | 47 | 58 => {
                    Err(error(number.0, format!("protocol {} has a name: tcp, udp, icmp, icmpv6, gre", number.1)))
                }
                other => Ok(Spoken::Number(other)),
            }
        }
        _ => Err(error(position, format!("`{}` is no protocol: tcp, udp, icmp, icmpv6, gre, proto", shown(word)))),
    }
}

fn payload(
    spoken: Spoken,
    kind: Option<u8>,
    (source, port): (Option<u16>, Option<u16>),
    (direction, peer): (Direction, IpAddr),
) -> Result<Payload, String> {
    let needs = |word: &str| format!("{word} needs the port at the end: `-> …:22`");
    match spoken {
        Spoken::Tcp => port.map(Payload::Tcp).ok_or_else(|| needs("tcp")),
        Spoken::Udp => {
            let port = port.ok_or_else(|| needs("udp"))?;
            Ok(if is_lease(direction, peer, source, port) { Payload::Lease } else { Payload::Udp(port) })
        }
        _ if source.is_some() || port.is_some() => Err("only tcp and udp have ports".to_owned()),
        Spoken::Icmpv6 if peer.is_ipv4() => Err(format!("icmpv6 is not spoken with `{peer}`")),
        Spoken::Icmp | Spoken::Icmpv6 => Ok(Payload::Icmp(kind.unwrap_or(if peer.is_ipv4() { 8 } else { 128 }))),
        Spoken::Gre => Ok(Payload::Gre),
        Spoken::Number(number) => Ok(Payload::Other(number)),
    }
}

fn is_lease(direction: Direction, peer: IpAddr, source: Option<u16>, port: u16) -> bool {
    let (server, client) = if peer.is_ipv4() { (67, 68) } else { (547, 546) };
    match direction {
        Direction::In => (source, port) == (Some(server), client),
        Direction::Out => (source, port) == (Some(client), server),
    }
}

/// `type 13` and `by wg0`, in any order, each once.
fn options(words: &mut Words<'_>, spoken: Spoken) -> Result<(Option<u8>, Option<String>), PacketError> {
    let (mut kind, mut interface) = (None, None);
    while let Some((position, word)) = words.rest.next() {
        match word {
            "type" if kind.is_none() && matches!(spoken, Spoken::Icmp | Spoken::Icmpv6) => {
                kind = Some(byte(words.next("the number of a type")?, "a type of ICMP")?);
            }
            "type" if !matches!(spoken, Spoken::Icmp | Spoken::Icmpv6) => {
                return Err(error(position, "only icmp has types".to_owned()));
            }
            "by" if interface.is_none() => {
                let (position, name) = words.next("the name of an interface")?;
                let ok = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
                if name.len() > INTERFACE_BYTES_MAX || !name.chars().all(ok) {
                    return Err(error(position, format!("`{}` is no name of an interface", shown(name))));
                }
                interface = Some(name.to_owned());
            }
            _ => return Err(error(position, format!("`{}` is not expected here", shown(word)))),
        }
    }
    Ok((kind, interface))
}

enum Who {
    Address(IpAddr),
    Host(HostId),
}

struct Side {
    who: Who,
    port: Option<u16>,
}

/// An address, a name, each with a port or without. An address of IPv6 without brackets has no port.
fn side((position, word): (usize, &str), what: &str) -> Result<Side, PacketError> {
    let address = |address: IpAddr, port| Ok(Side { who: Who::Address(address.to_canonical()), port });
    if let Ok(socket) = word.parse::<SocketAddr>() {
        return address(socket.ip(), Some(socket.port()));
    }
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    if let Ok(ip) = bare.parse() {
        return address(ip, None);
    }
    let (name, port) = word.rsplit_once(':').map_or((word, None), |(name, port)| (name, Some(port)));
    let wrong = |why: String| error(position, format!("`{}` is no {what}: {why}", shown(word)));
    let port = port.map(|port| {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        port.parse::<u16>().ok().filter(|_| digits).ok_or_else(|| wrong(format!("`{}` is no port", shown(port))))
    });
    let looks_like_address = name.contains(['[', ']', ':']) || name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if looks_like_address {
        return Err(wrong("it is neither an address (of IPv6 in brackets, `[2001:db8::1]:443`) nor a name".to_owned()));
    }
    let host = name.parse().map_err(|e: palisade_core::HostIdError| wrong(e.to_string()))?;
    Ok(Side { who: Who::Host(host), port: port.transpose()? })
}

fn byte((position, word): (usize, &str), what: &str) -> Result<u8, PacketError> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| error(position, format!("`{}` is not {what} (0 to 255)", shown(word))))
}

/// Words with where they begin, in characters from 1.
struct Words<'a> {
    rest: std::vec::IntoIter<(usize, &'a str)>,
    end: usize,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let position = |word: &str| {
            let bytes = word.as_ptr() as usize - text.as_ptr() as usize;
            text[..bytes].chars().count() + 1
        };
        let words: Vec<_> = text.split_whitespace().map(|word| (position(word), word)).collect();
        Words { rest: words.into_iter(), end: text.chars().count() + 1 }
    }

    fn next(&mut self, expected: &str) -> Result<(usize, &'a str), PacketError> {
        self.rest.next().ok_or_else(|| error(self.end, format!("it ends where {expected} belongs")))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_default).collect()
}

fn error(position: usize, what: String) -> PacketError {
    PacketError { what, position, hint: HINT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> PacketText {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn packets_are_written_back_as_they_were_read() {
        for text in [
            "tcp 203.0.113.9:40000 -> web-1:22",
            "tcp 203.0.113.9 -> web-1:22",
            "tcp [2001:db8::1]:40000 -> web-1:22 by wg0",
            "tcp 2001:db8::1 -> web-1:22",
            "tcp web-1 -> 203.0.113.9:443",
            "udp web-1:5353 -> [2001:db8::1]:53",
            "udp 10.0.0.1:67 -> web-1:68",
            "icmp 203.0.113.9 -> web-1 type 13",
            "icmpv6 2001:db8::1 -> web-1 type 128 by eth0",
            "gre 203.0.113.9 -> web-1",
            "proto 112 203.0.113.9 -> web-1",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("icmp 203.0.113.9 -> web-1").probe.payload, Payload::Icmp(8), "an echo request if not said");
        assert_eq!(read("icmp [2001:db8::1] -> web-1").probe.payload, Payload::Icmp(128));
        assert_eq!(
            read("tcp [::ffff:203.0.113.9]:1 -> web-1:22").probe.peer,
            read("tcp 203.0.113.9 -> web-1:22").probe.peer
        );
    }

    #[test]
    fn a_lease_is_known_by_both_ports() {
        assert_eq!(read("udp 10.0.0.1:67 -> web-1:68").probe.payload, Payload::Lease);
        assert_eq!(read("udp 10.0.0.1 -> web-1:68").probe.payload, Payload::Udp(68));
        assert_eq!(read("udp [fe80::1]:547 -> web-1:546").probe.payload, Payload::Lease);
        assert_eq!(read("udp web-1:68 -> 10.0.0.1:67").probe.payload, Payload::Lease);
        assert_eq!(read("udp web-1:67 -> 10.0.0.1:68").probe.payload, Payload::Udp(68));
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        for (text, position, what) in [
            ("", 1, "it ends where"),
            ("tpc 203.0.113.9 -> web-1:22", 1, "`tpc` is no protocol"),
            ("tcp 203.0.113.9", 16, "it ends where `->` belongs"),
            ("tcp 203.0.113.9 > web-1:22", 17, "where `->` belongs"),
            ("tcp 203.0.113.999 -> web-1:22", 5, "is no source"),
            ("tcp 203.0.113.9 -> web-1", 20, "tcp needs the port"),
            ("tcp 203.0.113.9 -> web-1:99999", 20, "`99999` is no port"),
            ("tcp 203.0.113.9 -> web-1:+22", 20, "`+22` is no port"),
            ("tcp web-1 -> web-2:22", 14, "both sides are names"),
            ("tcp 203.0.113.9 -> 203.0.113.8:22", 20, "both sides are addresses"),
            ("icmp 203.0.113.9:1 -> web-1", 23, "only tcp and udp have ports"),
            ("icmpv6 203.0.113.9 -> web-1", 23, "icmpv6 is not spoken"),
            ("tcp 203.0.113.9 -> web-1:22 type 8", 29, "only icmp has types"),
            ("icmp 203.0.113.9 -> web-1 type 256", 32, "0 to 255"),
            ("icmp 203.0.113.9 -> web-1 type 8 type 8", 34, "`type` is not expected"),
            ("tcp 203.0.113.9 -> web-1:22 by", 31, "it ends where the name of an interface"),
            ("tcp 203.0.113.9 -> web-1:22 by a/b", 32, "no name of an interface"),
            ("tcp 203.0.113.9 -> web-1:22 now", 29, "`now` is not expected"),
            ("proto 6 203.0.113.9 -> web-1", 7, "has a name"),
        ] {
            let error = text.parse::<PacketText>().unwrap_err();
            assert!(error.what.contains(what), "{text}: {error}");
            assert_eq!(error.position, position, "{text}: {error}");
        }
        assert!("x".repeat(301).parse::<PacketText>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_refused(text in "\\PC{0,80}", start in "(tcp|udp|icmp|proto 3) ?") {
            let _ = text.parse::<PacketText>();
            let _ = format!("{start}{text}").parse::<PacketText>();
        }
    }
}
