//! Hashes of passwords, made and compared a few at a time.

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use axum::http::StatusCode;
use palisade_guard::api::ApiError;
use tokio::sync::Semaphore;

/// Argon2 is heavy on purpose; two at a time leave the server alive under guessing.
const HASHING_MAX: usize = 2;
/// Sign-ins that are compared or wait for their turn; above it they are refused.
const HASHING_WAITING_MAX: usize = 64;
/// A hash of nothing in particular, for names that do not exist; nobody knows a password for it.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Makes and compares hashes, a few at a time.
pub struct Hasher {
    turns: Semaphore,
    waiting: Semaphore,
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher { turns: Semaphore::new(HASHING_MAX), waiting: Semaphore::new(HASHING_WAITING_MAX) }
    }
}

impl Hasher {
    /// Whether the password is the one of the hash; takes as long for a user that does not exist.
    pub async fn is_right(&self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        let hash = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
        self.work(move || matches(&password, &hash)).await
    }

    /// Whether the password is one of these.
    pub async fn is_among(&self, password: String, hashes: Vec<String>) -> Result<bool, ApiError> {
        self.work(move || hashes.iter().any(|hash| matches(&password, hash))).await
    }

    /// The hash to store.
    pub async fn hash(&self, password: String) -> Result<String, ApiError> {
        let hashed = self.work(move || {
            Argon2::default()
                .hash_password(password.as_bytes(), &SaltString::generate(&mut OsRng))
                .map(|h| h.to_string())
        });
        hashed.await?.map_err(|_| failed())
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many sign-ins at once")
                .hint("try again in a few seconds"));
        };
        let _turn = self.turns.acquire().await.map_err(|_| failed())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| failed())
    }
}

fn matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
}

fn failed() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the password could not be hashed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_fits_its_password_only_and_a_missing_one_none() {
        let hasher = Hasher::default();
        let hash = hasher.hash("Kq7!vbTz".to_owned()).await.expect("hashed");
        let is_right = |password: &str, hash: Option<&String>| hasher.is_right(password.to_owned(), hash.cloned());
        assert!(is_right("Kq7!vbTz", Some(&hash)).await.expect("compared"));
        assert!(!is_right("Kq7!vbTy", Some(&hash)).await.expect("compared"));
        assert!(!is_right("Kq7!vbTz", None).await.expect("compared"));
        assert!(PasswordHash::new(DUMMY_HASH).is_ok(), "else a name that does not exist would be told by its time");
    }
}
