//! What passwords of Palisade's own users have to be.
//!
//! Length, classes and age are the mission's ("Set strong logon passwords": at least eight
//! characters with uppercase letters, lowercase letters, numbers and special characters, changed at
//! least once every six months), the same that guard `access` demands of the hosts. Ours beyond it:
//! no name in it, nothing that everybody tries first, none of the last five.

use axum::http::StatusCode;
use palisade_access::check::{AGE_DAYS_MAX, LENGTH_MIN};
use palisade_core::Timestamp;
use palisade_guard::api::ApiError;

/// The last passwords, the present one among them, that a new one must differ from.
pub const PAST_KEPT: usize = 5;
/// A password of one part of a name with fewer characters is no password with a name in it.
const NAME_CHARS_MIN: usize = 3;
const PASSWORD_BYTES_MAX: usize = 1024;
/// Fewer different characters are a pattern.
const DIFFERENT_CHARS_MIN: usize = 6;
/// Characters that follow each other on a keyboard, in the alphabet or in counting: so many are a
/// pattern, if they are half of the password or more.
const RUN_CHARS_MIN: usize = 5;

/// What everybody tries first: cores of passwords, that is without the numbers and signs around
/// them and with letters for the numbers and signs that stand for them.
const COMMON: &str = "\
    abc abcd access admin administrator april august autumn baseball batman changeme cloud computer \
    debian december default dragon february football friday geheim guest hallo hello iloveyou january \
    july june letmein linux login manager march master monday monkey november october operator palisade \
    pass passw password passwort princess qwert qwerty qwertz root secret secure server september shadow \
    spring summer sunday sunshine superman system test ubuntu welcome winter";
/// Rows in which neighbours are no choice; read in both directions.
const ROWS: [&str; 10] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "qazwsxedcrfvtgb",
    "!@#$%^&*()",
];

/// Whether a password was set so long ago that it has to be changed.
pub fn is_due(set_at: Timestamp, now: Timestamp) -> bool {
    due_at(set_at) <= now
}

/// When a password has to be changed.
pub fn due_at(set_at: Timestamp) -> Timestamp {
    set_at + jiff::SignedDuration::from_hours(24 * i64::from(AGE_DAYS_MAX))
}

/// What is wrong with a password, one phrase for each part of the rule that it breaks.
pub fn broken(name: &str, password: &str) -> Vec<String> {
    if password.len() > PASSWORD_BYTES_MAX {
        return vec![format!("at most {PASSWORD_BYTES_MAX} bytes")];
    }
    let lower = password.to_lowercase();
    let has = |class: fn(char) -> bool| password.chars().any(class);
    let parts = [
        (password.chars().count() >= LENGTH_MIN as usize, format!("at least {LENGTH_MIN} characters")),
        (has(char::is_uppercase), "an uppercase letter".to_owned()),
        (has(char::is_lowercase), "a lowercase letter".to_owned()),
        (has(char::is_numeric), "a number".to_owned()),
        (has(|c| !c.is_alphanumeric()), "a special character".to_owned()),
        (!names(name).any(|n| lower.contains(&n)), "no part that is your name, forwards or backwards".to_owned()),
        (!is_common(&lower), "something that is not on every list of common passwords".to_owned()),
        (!is_pattern(&lower), "something that is no simple pattern".to_owned()),
    ];
    parts.into_iter().filter(|(kept, _)| !kept).map(|(_, phrase)| phrase).collect()
}

/// The rule as an answer: everything that is wrong at once.
pub fn rule(name: &str, password: &str) -> Result<(), ApiError> {
    let broken = broken(name, password);
    if broken.is_empty() {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::BAD_REQUEST, "weak_password", format!("`password` needs {}", broken.join(", ")))
        .hint("several words with a number and a sign between them are easy to keep in mind"))
}

/// The name and what stands before its `@`, each in both directions.
fn names(name: &str) -> impl Iterator<Item = String> {
    let whole = name.to_lowercase();
    let local = whole.split('@').next().unwrap_or_default().to_owned();
    let long = [whole, local].into_iter().filter(|n| n.chars().count() >= NAME_CHARS_MIN);
    long.flat_map(|n| [n.chars().rev().collect(), n])
}

fn is_common(lower: &str) -> bool {
    let core = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    // a sign at the beginning may stand before the word, or for its first letter
    let cores = [core.trim_start_matches(|c: char| !c.is_alphabetic()), core.trim_start_matches(char::is_numeric)];
    // `1` and `!` stand for `i` and for `l`
    let words = cores.iter().flat_map(|core| [plain(core, 'i'), plain(core, 'l')]);
    words.into_iter().any(|word| COMMON.split(' ').any(|common| common == word))
}

/// The letters that numbers and signs stand for; `one` is what `1` stands for.
fn plain(text: &str, one: char) -> String {
    let letter = |c| match c {
        '@' | '4' => 'a',
        '3' => 'e',
        '0' => 'o',
        '$' | '5' => 's',
        '7' | '+' => 't',
        '1' | '!' => one,
        other => other,
    };
    text.chars().map(letter).filter(|c| c.is_alphabetic()).collect()
}

fn is_pattern(lower: &str) -> bool {
    let chars: Vec<char> = lower.chars().collect();
    let different = chars.iter().collect::<std::collections::BTreeSet<_>>().len();
    let repeats = |part: usize| chars.len().is_multiple_of(part) && chars.chunks(part).all(|c| *c == chars[..part]);
    let run = longest_run(&chars);
    different < DIFFERENT_CHARS_MIN
        || (1..=chars.len() / 2).any(repeats)
        || (run >= RUN_CHARS_MIN && run * 2 >= chars.len())
}

/// The most characters that follow each other as in one of [`ROWS`].
fn longest_run(chars: &[char]) -> usize {
    let neighbours = |a: char, b: char| ROWS.iter().any(|row| row.contains(&format!("{a}{b}")));
    let step = |pair: &[char]| neighbours(pair[0], pair[1]) || neighbours(pair[1], pair[0]);
    let (mut longest, mut now) = (1, 1);
    for pair in chars.windows(2) {
        now = if step(pair) { now + 1 } else { 1 };
        longest = longest.max(now);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(name: &str, password: &str) -> String {
        broken(name, password).join("; ")
    }

    #[test]
    fn the_password_rule_is_the_missions() {
        for (password, said) in [
            ("Kq7!vbTz", ""),
            ("Correct-horse-7-battery", ""),
            ("Palisade-1-Test", ""),
            ("Grün-und-9-Bäume", ""),
            ("kq7!vbtz", "an uppercase letter"),
            ("KQ7!VBTZ", "a lowercase letter"),
            ("Kqw!vbTz", "a number"),
            ("Kq7wvbTz", "a special character"),
            ("Kq7!vbT", "at least 8 characters"),
            ("", "at least 8 characters"),
        ] {
            let broken = says("anna", password);
            assert!(broken.starts_with(said) && broken.is_empty() == said.is_empty(), "{password}: {broken}");
        }
        assert!(says("anna", &format!("Kq7!{}", "vT".repeat(600))).contains("at most 1024 bytes"));
    }

    #[test]
    fn a_password_with_the_name_in_either_direction_is_refused() {
        for password in ["xAnna12!kqz", "Kq7!aNNaz-v", "kQz-7-annA-w", "Kq7!arabrab"] {
            let name = if password.contains("arab") { "barbara@example.org" } else { "anna" };
            assert_eq!(says(name, password), "no part that is your name, forwards or backwards", "{password}");
        }
        assert_eq!(says("a", "Kq7!vbTza"), "", "one letter is no name");
    }

    #[test]
    fn what_everybody_tries_first_is_refused_however_it_is_dressed() {
        for password in [
            "P@ssw0rd",
            "!Passw0rd1",
            "$ummEr2026",
            "Password123!",
            "Summer2026!",
            "Adm1n!2026",
            "Welc0me@1",
            "123Qwerty!",
            "L3tme1n!99",
            "S3cr3t!!1",
        ] {
            assert!(says("x", password).contains("common"), "{password}: {}", says("x", password));
        }
    }

    #[test]
    fn simple_patterns_are_refused() {
        for password in ["Aa1!Aa1!", "Abcdef1!", "1qaz!QAZ", "Fedcba9!", "aaaaA1!a", "!@#$%Aa1"] {
            assert!(says("x", password).contains("pattern"), "{password}: {}", says("x", password));
        }
        assert_eq!(says("x", "Blue-12345-whale-Reef"), "", "a short run in a long password");
    }

    #[test]
    fn a_password_is_due_after_six_months() {
        let set: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a moment");
        assert!(!is_due(set, "2026-06-29T23:59:59Z".parse().expect("a moment")));
        assert!(is_due(set, "2026-06-30T00:00:00Z".parse().expect("a moment")));
    }
}
