//! What a probe looks at: the document of the kind `Probe`, checked and in normal form.

use super::target::{server_checked, target_checked};
use palisade_core::{HostId, Span};
use palisade_guard::api::ApiError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Seconds between two looks, at least and at most.
const INTERVAL_S: std::ops::RangeInclusive<u64> = 10..=3_600;
/// Seconds that a look may take at most, and never more than half of the interval.
const TIMEOUT_S_MAX: u64 = 60;
/// The longest expected text, in bytes.
const EXPECTED_BYTES_MAX: usize = 1_024;
/// The largest list of certificates of an own authority, in bytes.
const CA_BYTES_MAX: usize = 64 << 10;

/// How a probe looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProbeType {
    /// An echo request; `target` is an address or a name.
    Icmp,
    /// A connection; `target` is `host:port`.
    Tcp,
    /// A GET; `target` is a URL. Redirects are not followed.
    Http,
    /// A TLS greeting; `target` is `host` or `host:port`, 443 if absent.
    Tls,
    /// A question; `target` is the name that is asked for.
    Dns,
}

/// Which records a DNS probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the names are those of RFC 1035 and 3596
pub enum RecordWord {
    #[default]
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// What the answer must be for the target to count as up. Nothing given: any answer of the target's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The HTTP status; any from 200 to 399 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 599)]
    pub status: Option<u16>,
    /// A text that the first MiB of the HTTP body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub body: Option<String>,
    /// One of the answers of a DNS server, as it is written in a zone: an address or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub address: Option<String>,
}

/// A look from the server at something, again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// The host whose series it becomes; the server's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub host: Option<HostId>,
    /// How it looks.
    #[serde(rename = "type")]
    pub kind: ProbeType,
    /// At what; what may stand here depends on the type.
    #[schema(max_length = 2048)]
    pub target: String,
    /// Between two looks: 10s to 1h.
    #[serde(default = "interval")]
    pub interval: Span,
    /// How long a look may take: at most 60s and half of the interval.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// What the answer must be.
    #[serde(default)]
    pub expect: Expected,
    /// The DNS server that is asked, `address` or `address:port`; the one that the server itself uses
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The records that are asked for; A if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordWord>,
    /// Certificates, as PEM, that are trusted besides those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 65536)]
    pub ca_pem: Option<String>,
    /// False to take any issuer of a certificate; its end and its name are judged all the same by a
    /// probe of type `tls`.
    #[serde(default = "yes")]
    pub verify: bool,
    /// True to reach loopback, private and link-local addresses and the server's own; only an admin
    /// may say so.
    #[serde(default)]
    pub allow_private: bool,
}

fn interval() -> Span {
    Span::from_secs(300).expect("five minutes are a length of time")
}

fn timeout() -> Span {
    Span::from_secs(5).expect("five seconds are a length of time")
}

fn yes() -> bool {
    true
}

impl ProbeSpec {
    /// The spec in normal form; an error names the part that is wrong.
    pub fn checked(mut self) -> Result<ProbeSpec, ApiError> {
        self.target = target_checked(self.kind, self.target.trim()).map_err(|why| wrong("target", why))?;
        self.times_checked()?;
        self.foreign_checked()?;
        self.expected_checked()?;
        if self.ca_pem.as_ref().is_some_and(|pem| pem.len() > CA_BYTES_MAX) {
            return Err(wrong("ca_pem", format!("more than {CA_BYTES_MAX} bytes")));
        }
        if let Some(pem) = &self.ca_pem {
            super::look::certificates(pem).map_err(|why| wrong("ca_pem", why))?;
        }
        if self.kind == ProbeType::Dns {
            self.record.get_or_insert_default();
        }
        Ok(self)
    }

    fn times_checked(&self) -> Result<(), ApiError> {
        if !INTERVAL_S.contains(&self.interval.as_secs()) {
            return Err(wrong("interval", format!("`{}` is not between 10s and 1h", self.interval)));
        }
        let timeout_s_max = TIMEOUT_S_MAX.min(self.interval.as_secs() / 2);
        if self.timeout.as_secs() > timeout_s_max {
            return Err(wrong("timeout", format!("`{}` is more than {timeout_s_max}s", self.timeout)));
        }
        Ok(())
    }

    /// What makes no sense for this type is an error: it would be thought to hold.
    fn foreign_checked(&self) -> Result<(), ApiError> {
        use ProbeType::{Dns, Http, Tls};
        let given = [
            ("expect.status", self.expect.status.is_some(), &[Http][..]),
            ("expect.body", self.expect.body.is_some(), &[Http]),
            ("expect.address", self.expect.address.is_some(), &[Dns]),
            ("server", self.server.is_some(), &[Dns]),
            ("record", self.record.is_some(), &[Dns]),
            ("ca_pem", self.ca_pem.is_some(), &[Http, Tls]),
            ("verify", !self.verify, &[Http, Tls]),
        ];
        match given.into_iter().find(|(_, given, of)| *given && !of.contains(&self.kind)) {
            Some((field, _, of)) => {
                let of: Vec<String> = of.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect();
                Err(wrong(field, format!("only a probe of type {} has it", of.join(" or "))))
            }
            None => Ok(()),
        }
    }

    fn expected_checked(&mut self) -> Result<(), ApiError> {
        if let Some(status) = self.expect.status.filter(|status| !(100..=599).contains(status)) {
            return Err(wrong("expect.status", format!("`{status}` is no HTTP status")));
        }
        let texts = [("expect.body", &self.expect.body), ("expect.address", &self.expect.address)];
        for (field, text) in texts {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > EXPECTED_BYTES_MAX) {
                return Err(wrong(field, format!("must have 1 to {EXPECTED_BYTES_MAX} bytes")));
            }
        }
        if let Some(server) = &self.server {
            self.server = Some(server_checked(server).map_err(|why| wrong("server", why))?);
        }
        Ok(())
    }
}

fn wrong(field: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(why).at(format!("spec.{field}"))
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
