//! Where a host without an agent is reached: `203.0.113.9`, `db.example.org:2222`, `watch@db.example.org`.

use std::fmt;
use std::str::FromStr;

/// The longest account name: useradd(8).
const USER_CHARS_MAX: usize = 32;

/// An address or a DNS name, with the account and the port of its SSH service where they are not the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAddress {
    /// The account to log in with; absent for [`HostAddress::USER`].
    pub user: Option<String>,
    /// An address without brackets, or a name. Not checked here: what may stand in a fleet is the server's rule.
    pub host: String,
    /// The port of the SSH service; absent for [`HostAddress::PORT`].
    pub port: Option<u16>,
}

impl HostAddress {
    /// The account that is meant where none is said.
    pub const USER: &'static str = "palisade";
    /// The port that is meant where none is said.
    pub const PORT: u16 = 22;

    /// The account to log in with.
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(HostAddress::USER)
    }

    /// The port of the SSH service.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(HostAddress::PORT)
    }
}

/// The text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of a host: {why}")]
pub struct HostAddressError {
    text: String,
    why: &'static str,
}

impl FromStr for HostAddress {
    type Err = HostAddressError;

    fn from_str(text: &str) -> Result<HostAddress, HostAddressError> {
        let error =
            |why| HostAddressError { text: text.chars().take(80).flat_map(char::escape_default).collect(), why };
        let (user, place) = match text.split_once('@') {
            Some((user, _)) if !is_account(user) => return Err(error("what stands before `@` is no account name")),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = split(place).ok_or_else(|| error("write HOST, HOST:PORT or [IPv6]:PORT"))?;
        let number =
            |port: &str| port.parse::<u16>().ok().filter(|n| *n > 0 && port.bytes().all(|b| b.is_ascii_digit()));
        let port = match port {
            Some(port) => Some(number(port).ok_or_else(|| error("a port is a number from 1 to 65535"))?),
            None => None,
        };
        let user = user.filter(|user| user != HostAddress::USER);
        Ok(HostAddress { user, host: host.to_owned(), port: port.filter(|port| *port != HostAddress::PORT) })
    }
}

/// Two colons or more without brackets are an IPv6 address.
fn split(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(inner) = place.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        return match rest {
            "" => Some((host, None)),
            rest => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => (!host.is_empty()).then_some((host, Some(port))),
        _ => (!place.is_empty()).then_some((place, None)),
    }
}

fn is_account(user: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=USER_CHARS_MAX).contains(&user.len()) && !user.starts_with('-') && user.chars().all(inner)
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_account_and_port_where_they_are_not_the_usual() {
        for (text, user, host, port) in [
            ("db.example.org", None, "db.example.org", None),
            ("203.0.113.9:2222", None, "203.0.113.9", Some(2222)),
            ("watch@db.example.org", Some("watch"), "db.example.org", None),
            ("2001:db8::1", None, "2001:db8::1", None),
            ("watch@[2001:db8::1]:23", Some("watch"), "2001:db8::1", Some(23)),
        ] {
            let read: HostAddress = text.parse().expect(text);
            assert_eq!((read.user.as_deref(), read.host.as_str(), read.port), (user, host, port));
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn the_usual_account_and_port_are_left_out() {
        let read: HostAddress = "palisade@[2001:db8::1]:22".parse().expect("an address");
        assert_eq!((read.to_string().as_str(), read.user(), read.port()), ("2001:db8::1", "palisade", 22));
    }

    #[test]
    fn what_is_no_account_or_port_is_refused() {
        for wrong in ["", "@a", "-o@a", "a b@c", "a:0", "a:65536", "a:x", "a:+1", "[::1", "[::1]22", ":22"] {
            assert!(wrong.parse::<HostAddress>().is_err(), "{wrong}");
        }
    }
}
