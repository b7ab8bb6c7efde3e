//! What the running host says about itself: name, release, kernel, start, addresses.

use crate::os_release;
use crate::{Root, SysError};
use nix::ifaddrs::getifaddrs;
use palisade_core::{HostId, Timestamp};
use std::net::IpAddr;

/// Most addresses that are told; a host full of containers has about 1,000.
pub const ADDRESSES_MAX: usize = 1_024;

/// What a host says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its name, made fit for a [`HostId`].
    pub host: HostId,
    /// `PRETTY_NAME` of os-release; `Linux` if that cannot be read.
    pub os: String,
    /// The kernel release: `6.1.0-25-amd64`.
    pub kernel: String,
    /// When it was started, to the second. The kernel reckons it from the clock, so that it may move by
    /// seconds when the clock is set: a reboot is a move by more than that.
    pub booted_at: Option<Timestamp>,
    /// Its addresses without loopback, link-local and unspecified ones; sorted.
    pub addresses: Vec<IpAddr>,
    /// The version of the agent that says this.
    pub agent_version: String,
}

/// The facts of the running host. What cannot be found out is left empty.
pub fn facts(agent_version: &str) -> Result<Facts, SysError> {
    let uname = nix::sys::utsname::uname().map_err(|e| kernel("asking for the host's name", e))?;
    let os = os_release::read(&Root::live()).map_or_else(|_| "Linux".to_owned(), |os| os.pretty_name);
    Ok(Facts {
        host: host_id(&uname.nodename().to_string_lossy()),
        os,
        kernel: uname.release().to_string_lossy().chars().filter(|c| !c.is_control()).take(128).collect(),
        booted_at: booted_at(&Root::live()),
        addresses: addresses()?,
        agent_version: agent_version.to_owned(),
    })
}

/// The name with everything that a [`HostId`] cannot hold turned into `-`; `host` if nothing is left.
pub fn host_id(name: &str) -> HostId {
    let fit: String = name
        .trim()
        .trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(253)
        .collect();
    fit.parse().unwrap_or_else(|_| "host".parse().expect("four letters are a host name"))
}

/// When the machine was started: `btime` of /proc/stat (proc_stat(5)).
pub fn booted_at(root: &Root) -> Option<Timestamp> {
    let text = root.text("/proc/stat").ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

/// The addresses of all interfaces without loopback, link-local and unspecified ones; sorted.
pub fn addresses() -> Result<Vec<IpAddr>, SysError> {
    let all = getifaddrs().map_err(|e| kernel("listing the host's addresses", e))?;
    let mut addresses: Vec<IpAddr> = all
        .filter_map(|entry| {
            let address = entry.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .filter(|address| is_told(*address))
        .take(ADDRESSES_MAX)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn is_told(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_unspecified())
}

fn kernel(doing: &str, error: nix::Error) -> SysError {
    SysError::Kernel { doing: doing.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_host_says_who_it_is() {
        let facts = facts("0.1.0").expect("uname and getifaddrs work everywhere");
        assert!(!facts.kernel.is_empty() && !facts.os.is_empty());
        assert!(facts.booted_at.is_some_and(|at| at < Timestamp::now()));
        assert!(facts.addresses.iter().all(|a| !a.is_loopback()));
    }

    #[test]
    fn names_are_made_fit() {
        for (given, fit) in [("web-1", "web-1"), ("-a b", "a-b"), ("\u{1b}[31mx", "31mx"), ("", "host"), ("é", "host")]
        {
            assert_eq!(host_id(given).as_str(), fit);
        }
    }

    #[test]
    fn loopback_and_link_local_are_left_out() {
        for (address, told) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
            ("10.0.0.5", true),
            ("fd00::1", true),
        ] {
            assert_eq!(is_told(address.parse().expect("an address")), told, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_host_id(name in ".{0,400}") {
            prop_assert!(!host_id(&name).as_str().is_empty());
        }
    }
}
