//! Keys at rest: sealed with AES-256-GCM under a key file that lies outside the data directory, so
//! that a copy of the data directory signs nothing.
//!
//! A sealed key is one line, `palisade-wrapped-1 BASE64(nonce, ciphertext, tag)`. The name that it
//! was sealed for is authenticated with it: one sealed key cannot be passed off as another.

use super::error::CaError;
use super::file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The first word of a sealed key; another version would be another word.
const WORD: &str = "palisade-wrapped-1";
const KEY_BYTES: usize = 32;

/// The key of the key file.
pub struct WrapKey(LessSafeKey);

impl WrapKey {
    /// Reads the key file.
    pub fn load(path: &Path) -> Result<WrapKey, CaError> {
        let said = |why: String| CaError::KeyFile(format!("`{}` {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => said("is missing".to_owned()),
            _ => said(format!("cannot be read: {e}")),
        })?;
        if std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0) {
            tracing::warn!(path = %path.display(), "others than its owner may read or write the key file; give it mode 0400");
        }
        let bytes = STANDARD.decode(text.trim()).ok().filter(|b| b.len() == KEY_BYTES);
        WrapKey::new(&bytes.ok_or_else(|| said("does not hold 32 bytes in base64".to_owned()))?)
    }

    /// Makes a key file with a new key; its directory too, if it is missing.
    pub fn create(path: &Path) -> Result<WrapKey, CaError> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let said =
            |why: &dyn std::fmt::Display| CaError::KeyFile(format!("`{}` cannot be made: {why}", path.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| said(&e))?;
        let bytes = random::<KEY_BYTES>();
        let written = file::write(path, &format!("{}\n", STANDARD.encode(bytes)), 0o400);
        written.map_err(|e| said(&palisade_guard::contract::chain(&e)))?;
        WrapKey::new(&bytes)
    }

    fn new(bytes: &[u8]) -> Result<WrapKey, CaError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| CaError::KeyFile("holds no key".to_owned()))?;
        Ok(WrapKey(LessSafeKey::new(key)))
    }

    /// Seals `secret` under `name`.
    pub fn seal(&self, name: &str, secret: &[u8]) -> String {
        // 96 random bits: a key file seals a handful of keys a year, collisions are out of reach
        let nonce = random::<NONCE_LEN>();
        let mut sealed = secret.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(name), &mut sealed)
            .expect("a private key is far below the limit of AES-GCM");
        format!("{WORD} {}\n", STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed under `name`: the first line of `text`.
    pub fn open(&self, name: &str, text: &str) -> Result<Vec<u8>, CaError> {
        let failed = || CaError::Wrapped(name.to_owned());
        let line = text.lines().next().and_then(|l| l.strip_prefix(WORD)).ok_or_else(failed)?;
        let bytes = STANDARD.decode(line.trim()).map_err(|_| failed())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut sealed = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, aad(name), &mut sealed).map_err(|_| failed())?;
        Ok(opened.to_vec())
    }
}

fn aad(name: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{WORD} {name}").into_bytes())
}

/// Bytes from the kernel.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sealed_key_opens_only_with_its_key_file_and_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key/wrap.key");
        let made = WrapKey::create(&path).unwrap();
        let sealed = made.seal("ca.key", b"secret");
        assert!(!sealed.contains("secret") && sealed.ends_with('\n'));
        assert_eq!(WrapKey::load(&path).unwrap().open("ca.key", &sealed).unwrap(), b"secret");
        assert!(made.open("issuer.key", &sealed).is_err(), "one sealed key passed off as another");
        let other = WrapKey::create(&dir.path().join("other.key")).unwrap();
        assert!(matches!(other.open("ca.key", &sealed), Err(CaError::Wrapped(_))));
    }

    #[test]
    fn a_sealed_key_that_was_changed_in_any_byte_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let key = WrapKey::create(&dir.path().join("wrap.key")).unwrap();
        let sealed = key.seal("ca.key", b"secret");
        for at in 0..sealed.trim_end().len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // the last character of base64 holds bits that mean nothing; the decoder refuses them
            assert!(key.open("ca.key", &changed).is_err(), "byte {at} of `{sealed}`");
        }
        assert!(key.open("ca.key", "").is_err());
    }

    #[test]
    fn the_key_file_is_for_its_owner_alone_and_a_missing_or_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key/wrap.key");
        let missing = WrapKey::load(&path).err().unwrap().to_string();
        assert!(missing.contains("wrap.key") && missing.contains("missing"), "{missing}");
        WrapKey::create(&path).unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o400, 0o700));
        let damaged = dir.path().join("damaged.key");
        std::fs::write(&damaged, "AAAA\n").unwrap();
        assert!(WrapKey::load(&damaged).err().unwrap().to_string().contains("32 bytes"));
    }
}
