//! How the authority is, for people.

use super::{Authority, CaError};
use palisade_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Root, issuer and the server's certificate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuthorityView {
    root: RootView,
    issuer: IssuerView,
    certificate: ServedView,
    /// Where the key file is expected that opens the keys of root and issuer.
    key_file: String,
}

/// The root.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RootView {
    /// SHA-256: what agents pin.
    fingerprint: String,
    #[schema(value_type = String, format = DateTime)]
    not_after: Timestamp,
    key: KeyView,
}

/// The issuer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IssuerView {
    /// Absent while its key cannot be opened.
    serial: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    not_after: Option<Timestamp>,
    /// When it renews itself, for which the root key must be here.
    #[schema(value_type = Option<String>, format = DateTime)]
    renew_at: Option<Timestamp>,
    key: KeyView,
}

/// The server's own certificate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ServedView {
    /// SHA-256, until it is renewed.
    fingerprint: String,
    names: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    not_after: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    renew_at: Timestamp,
}

/// A private key of the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    state: KeyState,
    /// Why it cannot be used, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It can.
    Here,
    /// It was taken off this server.
    Away,
    /// It is here, but does not open.
    Locked,
}

impl Authority {
    /// How everything is.
    pub fn standing(&self) -> AuthorityView {
        let (root, held) = (&self.0.root, self.read());
        let issuer = held.issuer.as_ref();
        let locked = issuer.is_none().then(|| self.why_no_issuer());
        AuthorityView {
            root: RootView {
                fingerprint: self.root_fingerprint(),
                not_after: root.facts.not_after,
                key: self.root_key(),
            },
            issuer: IssuerView {
                serial: issuer.map(|i| i.facts.serial.clone()),
                not_after: issuer.map(|i| i.facts.not_after),
                renew_at: issuer.map(|i| i.renew_at()),
                key: KeyView::of(locked),
            },
            certificate: ServedView {
                fingerprint: held.served.fingerprint.clone(),
                names: held.served.facts.names.iter().cloned().collect(),
                not_after: held.served.facts.not_after,
                renew_at: held.served.renew_at(),
            },
            key_file: self.0.config.key_file.display().to_string(),
        }
    }

    /// How the root key is.
    pub fn root_key(&self) -> KeyView {
        KeyView::of(self.0.root.key().err())
    }
}

impl KeyView {
    fn of(error: Option<CaError>) -> KeyView {
        let Some(error) = error else { return KeyView { state: KeyState::Here, reason: None } };
        let state = if matches!(error, CaError::RootAway) { KeyState::Away } else { KeyState::Locked };
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        KeyView { state, reason: Some(format!("{error}{hint}")) }
    }
}
