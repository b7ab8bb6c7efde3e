//! The second factor: codes of RFC 6238 (SHA-1, six digits, 30 s, one step of clock error either
//! way) and recovery codes.

use super::access::secret_hash;
use palisade_guard::cli::query;
use qrcode::render::svg;
use qrcode::types::QrError;
use totp_rs::{Builder, Secret, Totp};

/// As RFC 4226 (4, R6) recommends.
const SECRET_BYTES: usize = 20;
const DIGITS: usize = 6;
/// Recovery codes that come with a second factor.
pub const RECOVERY_CODES: usize = 10;
/// Of 32 letters and digits each: 80 bits, so that a plain hash of them can be stored.
const RECOVERY_CHARS: usize = 16;
/// Crockford's base 32: without letters that are taken for others.
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstvwxyz0123456789";
const QR_PIXELS_MIN: u32 = 220;

/// A new secret, as base32.
pub fn new_secret() -> String {
    Secret::from(random::<SECRET_BYTES>()).to_base32()
}

/// What an authenticator program reads: the secret, and what it calls it.
pub fn uri(server: &str, user: &str, secret: &str) -> String {
    let issuer = format!("Palisade {server}");
    query(&format!("otpauth://totp/{user}"), &[("secret", Some(secret)), ("issuer", Some(&issuer))])
}

/// A text as a picture that a telephone reads, an SVG document.
pub fn qr_svg(text: &str) -> Result<String, QrError> {
    let code = qrcode::QrCode::new(text)?;
    Ok(code.render::<svg::Color>().min_dimensions(QR_PIXELS_MIN, QR_PIXELS_MIN).build())
}

/// The time step that a code belongs to, if it is right within one step of `second` (since 1970).
/// The caller accepts each step once (RFC 6238, 5.2).
pub fn step(secret: &str, code: &str, second: i64) -> Option<i64> {
    let second = u64::try_from(second).ok()?;
    i64::try_from(totp(secret)?.check(code, second)?).ok()
}

/// Whether this looks like a code of an authenticator, not like a recovery code.
pub fn is_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

/// New recovery codes, in groups of four.
pub fn new_recovery() -> Vec<String> {
    let one = || {
        let text: Vec<char> = random::<RECOVERY_CHARS>()
            .iter()
            .map(|byte| char::from(RECOVERY_ALPHABET[usize::from(byte % 32)]))
            .collect();
        text.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    (0..RECOVERY_CODES).map(|_| one()).collect()
}

/// What is stored of a recovery code, however it was typed.
pub fn recovery_hash(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    secret_hash(&plain.to_ascii_lowercase())
}

fn totp(secret: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    Builder::new().with_secret(secret).build().ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes
}

/// The code of a moment, as an authenticator shows it.
#[cfg(test)]
pub fn code_at(secret: &str, second: i64) -> String {
    totp(secret).expect("a secret of ours").generate(second as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 6238, appendix B, cut to the last six of their eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = Secret::from(*b"12345678901234567890").to_base32();
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step(&secret, code, second), Some(second / 30), "{second}");
            assert_eq!(step(&secret, code, second + 30), Some(second / 30), "one step late");
            assert_eq!(step(&secret, code, second - 30), Some(second / 30), "one step early");
            assert_eq!(step(&secret, code, second + 90), None, "three steps late");
        }
    }

    #[test]
    fn what_is_no_code_is_never_right() {
        let secret = new_secret();
        for text in ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "+12345", "12 345"] {
            assert_eq!(step(&secret, text, 1_800_000_000), None, "{text}");
        }
        assert_eq!(step(&secret, "123456", -1), None);
    }

    #[test]
    fn a_name_of_a_server_cannot_add_to_the_address() {
        let uri = uri("web&secret=AAAA#", "anna", "SECRET");
        assert_eq!(uri, "otpauth://totp/anna?secret=SECRET&issuer=Palisade%20web%26secret%3DAAAA%23");
        let picture = qr_svg(&uri).expect("drawn");
        assert!(picture.contains("<svg") && !picture.contains("<script"), "{picture}");
    }

    #[test]
    fn recovery_codes_differ_and_may_be_typed_in_any_way() {
        let codes = new_recovery();
        assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), RECOVERY_CODES);
        assert_eq!(codes[0].len(), RECOVERY_CHARS + 3);
        assert_eq!(recovery_hash(&codes[0]), recovery_hash(&codes[0].to_uppercase().replace('-', " ")));
        assert_ne!(recovery_hash(&codes[0]), recovery_hash(&codes[1]));
    }
}
