//! What a probe's target may be: the grammar of each type, and its normal form. Pure.

use super::spec::ProbeType;
use std::net::IpAddr;

/// The longest target, in bytes.
const TARGET_BYTES_MAX: usize = 2_048;
/// RFC 1035, 2.3.4.
const NAME_BYTES_MAX: usize = 253;

/// A target in normal form; what it may be depends on the type.
pub fn target_checked(kind: ProbeType, target: &str) -> Result<String, String> {
    if target.is_empty() || target.len() > TARGET_BYTES_MAX || target.chars().any(|c| c.is_control() || c == ' ') {
        return Err(format!("must have 1 to {TARGET_BYTES_MAX} bytes without blanks"));
    }
    match kind {
        ProbeType::Icmp => host_checked(target),
        ProbeType::Tcp => place(target, None),
        ProbeType::Tls => place(target, Some(443)),
        ProbeType::Http => url_checked(target),
        ProbeType::Dns => {
            let name = target.trim_end_matches('.').to_ascii_lowercase();
            let read = hickory_proto::rr::Name::from_ascii(&name).map_err(|e| format!("`{}`: {e}", shown(target)))?;
            Ok(read.to_ascii())
        }
    }
}

/// `host:port` in normal form.
fn place(text: &str, port_default: Option<u16>) -> Result<String, String> {
    let authority: http::uri::Authority = bracketed(text).parse().map_err(|_| no_place(text))?;
    let port = match authority.port() {
        Some(port) => Some(port.as_str().parse::<u16>().ok().filter(|n| *n > 0).ok_or_else(|| no_place(text))?),
        None => port_default,
    };
    let port = port.ok_or_else(|| format!("`{}` has no port: write host:port", shown(text)))?;
    if text.contains('@') {
        return Err(no_place(text));
    }
    let host = host_checked(authority.host().trim_start_matches('[').trim_end_matches(']'))?;
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// A bare IPv6 address gets its brackets.
fn bracketed(text: &str) -> String {
    if text.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{text}]") } else { text.to_owned() }
}

fn no_place(text: &str) -> String {
    format!("`{}` is not of the form host:port", shown(text))
}

/// An address or a DNS name in normal form.
fn host_checked(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    // resolvers read names that end in a number as addresses: 127.1, 0x7f000001
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if name.len() > NAME_BYTES_MAX || is_number || !name.split('.').all(is_label) {
        return Err(format!("`{}` is neither an address nor a DNS name", shown(text)));
    }
    Ok(name)
}

fn url_checked(text: &str) -> Result<String, String> {
    let url: http::Uri = text.parse().map_err(|e| format!("`{}` is no URL: {e}", shown(text)))?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
        return Err(format!("`{}` is no URL with http:// or https://", shown(text)));
    };
    if !["http", "https"].contains(&scheme) {
        return Err(format!("`{}` is no URL with http:// or https://", shown(text)));
    }
    if authority.as_str().contains('@') {
        return Err("a URL holds no name and password: whoever may look may read it".to_owned());
    }
    place(authority.as_str(), Some(80))?;
    Ok(url.to_string())
}

/// A DNS server: `address:port` in normal form.
pub fn server_checked(text: &str) -> Result<String, String> {
    let place = place(text, Some(53))?;
    match place.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("`{}` is no address of a DNS server", shown(text))),
    }
}

/// A part of what was given, for an error text.
fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}
