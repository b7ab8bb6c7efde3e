//! An address or a network, as an operator writes it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use utoipa::ToSchema;

/// An IPv4 or IPv6 network in canonical form: no host bits, no IPv4-mapped IPv6; a single address
/// is a /32 or /128 and prints without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "203.0.113.0/24")]
pub struct Cidr(IpNet);

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Neither an address nor address/length.
    #[error("`{0}` is neither an address nor a network such as 203.0.113.0/24")]
    Syntax(String),
    /// The address has bits set beyond the prefix.
    #[error("`{given}` has host bits set; did you mean `{meant}`?")]
    HostBits {
        /// What was written.
        given: String,
        /// The network that contains it.
        meant: String,
    },
}

impl Cidr {
    /// Every IPv4 address.
    pub const ANY_V4: Cidr = Cidr(IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)));
    /// Every IPv6 address.
    pub const ANY_V6: Cidr = Cidr(IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)));

    /// First address of the network.
    pub fn network(self) -> IpAddr {
        self.0.network()
    }

    /// Last address of the network.
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    /// Prefix length in bits: 0–32 or 0–128.
    pub fn prefix_len(self) -> u8 {
        self.0.prefix_len()
    }

    /// True for one single address.
    pub fn is_address(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }

    /// True if `address` lies inside.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The fewest networks that hold the same addresses, sorted.
    pub fn merged(networks: Vec<Cidr>) -> Vec<Cidr> {
        let nets: Vec<IpNet> = networks.into_iter().map(|cidr| cidr.0).collect();
        let mut merged: Vec<Cidr> = IpNet::aggregate(&nets).into_iter().map(Cidr).collect();
        merged.sort_unstable();
        merged
    }

    /// True if the two networks share an address.
    pub fn overlaps(self, other: Cidr) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }
}

impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Cidr {
        Cidr(IpNet::from(address.to_canonical()))
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let syntax = || CidrError::Syntax(text.chars().take(64).flat_map(char::escape_default).collect());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let net = text.parse::<IpNet>().map_err(|_| syntax())?;
        if let IpNet::V6(v6) = net
            && v6.addr().to_ipv4_mapped().is_some()
        {
            return Err(syntax());
        }
        if net.addr() != net.network() {
            return Err(CidrError::HostBits { given: text.to_owned(), meant: net.trunc().to_string() });
        }
        Ok(Cidr(net))
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_address() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match text.parse::<Cidr>() {
            Ok(cidr) => cidr.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_single_address_prints_without_length() {
        assert_eq!(said("203.0.113.9"), "203.0.113.9");
        assert_eq!(said("203.0.113.9/32"), "203.0.113.9");
        assert_eq!(said("2001:db8::1/128"), "2001:db8::1");
    }

    #[test]
    fn host_bits_are_refused_with_the_network_that_was_meant() {
        assert_eq!(said("10.0.0.1/8"), "error: `10.0.0.1/8` has host bits set; did you mean `10.0.0.0/8`?");
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address_and_a_mapped_network_is_refused() {
        assert_eq!(said("::ffff:10.0.0.1"), "10.0.0.1");
        assert!(said("::ffff:10.0.0.0/104").starts_with("error"));
    }

    #[test]
    fn networks_that_lie_in_others_or_join_with_them_are_merged() {
        let given = ["10.0.1.0/24", "10.0.0.0/24", "10.0.1.7", "2001:db8::/33", "2001:db8:8000::/33", "192.0.2.1"];
        let merged = Cidr::merged(given.iter().map(|c| c.parse().expect("a network")).collect());
        let said: Vec<String> = merged.iter().map(Cidr::to_string).collect();
        assert_eq!(said, ["10.0.0.0/23", "192.0.2.1", "2001:db8::/32"]);
    }

    #[test]
    fn control_characters_come_back_escaped() {
        assert!(!said("\u{1b}[31m").contains('\u{1b}'));
    }
}
