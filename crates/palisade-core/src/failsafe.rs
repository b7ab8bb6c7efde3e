//! Who must always reach a host, as an operator writes it: a network, with a port or without.

use crate::{Cidr, CidrError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A network that must always reach a host: on one port, or on all. Written `203.0.113.9`,
/// `198.51.100.0/24:22` or `[2001:db8::/32]:22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Failsafe {
    /// Who.
    pub cidr: Cidr,
    /// The only TCP or UDP port of the host that is meant; all of them if absent. A ban cuts `cidr` on
    /// no port, whatever stands here.
    pub port: Option<u16>,
}

/// Why a text is no failsafe entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailsafeError {
    /// The network is none.
    #[error(transparent)]
    Network(#[from] CidrError),
    /// What stands behind the last colon is no port.
    #[error("`{0}` has no port from 1 to 65535 behind its last colon")]
    Port(String),
    /// The brackets around an IPv6 address do not match, or hold something else.
    #[error("`{0}`: with a port an IPv6 address stands in brackets, [2001:db8::1]:22")]
    Brackets(String),
}

impl FromStr for Failsafe {
    type Err = FailsafeError;

    fn from_str(text: &str) -> Result<Failsafe, FailsafeError> {
        let shown = || text.chars().take(64).flat_map(char::escape_default).collect::<String>();
        if let Some(inner) = text.strip_prefix('[') {
            let (inner, rest) = inner.split_once(']').ok_or_else(|| FailsafeError::Brackets(shown()))?;
            if !inner.contains(':') {
                return Err(FailsafeError::Brackets(shown()));
            }
            let digits = rest.strip_prefix(':').ok_or_else(|| FailsafeError::Brackets(shown()))?;
            let port = port(digits).ok_or_else(|| FailsafeError::Port(shown()))?;
            return Ok(Failsafe { cidr: inner.parse()?, port: Some(port) });
        }
        match text.split_once(':') {
            // more than one colon is an IPv6 address, which has no port without brackets
            Some((network, digits)) if !digits.contains(':') => {
                let port = port(digits).ok_or_else(|| FailsafeError::Port(shown()))?;
                Ok(Failsafe { cidr: network.parse()?, port: Some(port) })
            }
            _ => Ok(Failsafe { cidr: text.parse()?, port: None }),
        }
    }
}

fn port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port > 0)
}

impl fmt::Display for Failsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => self.cidr.fmt(f),
            Some(port) if self.cidr.network().is_ipv6() => write!(f, "[{}]:{port}", self.cidr),
            Some(port) => write!(f, "{}:{port}", self.cidr),
        }
    }
}

impl From<Cidr> for Failsafe {
    fn from(cidr: Cidr) -> Failsafe {
        Failsafe { cidr, port: None }
    }
}

impl TryFrom<String> for Failsafe {
    type Error = FailsafeError;

    fn try_from(text: String) -> Result<Failsafe, FailsafeError> {
        text.parse()
    }
}

impl From<Failsafe> for String {
    fn from(failsafe: Failsafe) -> String {
        failsafe.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match text.parse::<Failsafe>() {
            Ok(failsafe) => format!("{failsafe} = {} {:?}", failsafe.cidr, failsafe.port),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn an_address_a_network_and_both_with_a_port_are_read_and_printed_alike() {
        for (text, expected) in [
            ("203.0.113.9", "203.0.113.9 = 203.0.113.9 None"),
            ("198.51.100.0/24:22", "198.51.100.0/24:22 = 198.51.100.0/24 Some(22)"),
            ("203.0.113.9/32:22", "203.0.113.9:22 = 203.0.113.9 Some(22)"),
            ("2001:db8::1", "2001:db8::1 = 2001:db8::1 None"),
            ("2001:db8::/32", "2001:db8::/32 = 2001:db8::/32 None"),
            ("[2001:db8::1]:22", "[2001:db8::1]:22 = 2001:db8::1 Some(22)"),
            ("[2001:db8::/32]:65535", "[2001:db8::/32]:65535 = 2001:db8::/32 Some(65535)"),
        ] {
            assert_eq!(said(text), expected);
            let text = said(text).split(" = ").next().map(str::to_owned).expect("an entry");
            assert_eq!(said(&text), expected, "printed and read again");
        }
    }

    #[test]
    fn what_is_no_entry_says_what_is_wrong() {
        for (text, expected) in [
            ("203.0.113.9:", "no port from 1 to 65535"),
            ("203.0.113.9:0", "no port from 1 to 65535"),
            ("203.0.113.9:+22", "no port from 1 to 65535"),
            ("203.0.113.9:65536", "no port from 1 to 65535"),
            ("[2001:db8::1]", "in brackets"),
            ("[2001:db8::1", "in brackets"),
            ("[203.0.113.9]:22", "in brackets"),
            ("10.0.0.1/8:22", "did you mean `10.0.0.0/8`?"),
            ("example.org:22", "neither an address nor a network"),
            ("\u{1b}[31m", "neither an address nor a network"),
        ] {
            let said = said(text);
            assert!(
                said.starts_with("error: ") && said.contains(expected) && !said.contains('\u{1b}'),
                "{text}: {said}"
            );
        }
    }
}
