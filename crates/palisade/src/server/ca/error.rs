//! What can go wrong with the authority.

use axum::http::StatusCode;
use palisade_guard::api::ApiError;
use std::path::PathBuf;

/// A variant says what we were doing.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file of the authority.
    #[error("{doing} `{path}`")]
    File {
        /// `reading`, `writing`, …
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("`{path}` is damaged: {why}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key that wraps the others cannot be used.
    #[error("the key file {0}")]
    KeyFile(String),
    /// A wrapped key does not open.
    #[error("`{0}` does not open with the key file: it was made with another one, or was changed")]
    Wrapped(String),
    /// The root's key was taken off this server.
    #[error("the root key is away: it was exported and removed")]
    RootAway,
    /// A key that belongs to another root.
    #[error("this is not the key of this server's root")]
    OtherRoot,
    /// The issuer has ended.
    #[error("the issuing certificate has ended")]
    IssuerEnded,
    /// A certificate request that is none, or too large.
    #[error("the certificate request cannot be read: {0}")]
    Request(String),
    /// Its sender does not have the key.
    #[error("the certificate request is not signed by its own key")]
    RequestSignature,
    /// Its key is of a kind that is not taken.
    #[error("the certificate request has a key of an unknown or weak kind")]
    RequestKey,
    /// Making a certificate or a signature.
    #[error("signing")]
    Sign(#[from] rcgen::Error),
    /// Using what was made.
    #[error("preparing TLS")]
    Tls(#[from] rustls::Error),
    /// A certificate of ours cannot be read back.
    #[error(transparent)]
    Certificate(#[from] crate::link::certificate::CertificateError),
}

impl CaError {
    /// What to do next.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            CaError::KeyFile(_) | CaError::Wrapped(_) => {
                "put the key file back, or name the right one with --key-file, PALISADE_KEY_FILE or `[server] key_file`; the server's user must be able to read it, and to write its directory at the first start"
            }
            CaError::RootAway | CaError::IssuerEnded => {
                "bring the root key back with `palisade server ca import --from FILE`"
            }
            CaError::OtherRoot => "import the file that `palisade server ca export` of this server wrote",
            CaError::RequestKey => "make a key on the curve P-256",
            _ => return None,
        })
    }

    /// Whether whoever sent a request has made the mistake.
    fn by_caller(&self) -> bool {
        matches!(self, CaError::Request(_) | CaError::RequestSignature | CaError::RequestKey | CaError::OtherRoot)
    }
}

impl From<CaError> for ApiError {
    fn from(error: CaError) -> ApiError {
        let message = palisade_guard::contract::chain(&error);
        let api = match &error {
            error if error.by_caller() => ApiError::invalid(message),
            CaError::RootAway | CaError::IssuerEnded | CaError::KeyFile(_) | CaError::Wrapped(_) => {
                ApiError::new(StatusCode::CONFLICT, "key_away", message)
            }
            _ => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "authority", message),
        };
        match error.hint() {
            Some(hint) => api.hint(hint),
            None => api,
        }
    }
}
