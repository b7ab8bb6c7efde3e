//! The order of Debian versions (Debian Policy 5.6.12): `[epoch:]upstream[-revision]`.

use std::cmp::Ordering;

/// How two versions stand to each other, as `dpkg --compare-versions` says. Total: text that is no
/// version (an epoch that is no number, an empty text) is compared as an upstream version.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    number(a.epoch, b.epoch)
        .then_with(|| part(a.upstream.as_bytes(), b.upstream.as_bytes()))
        .then_with(|| part(a.revision.as_bytes(), b.revision.as_bytes()))
}

struct Version<'a> {
    epoch: &'a [u8],
    upstream: &'a str,
    /// Empty and `0` are the same.
    revision: &'a str,
}

fn split(text: &str) -> Version<'_> {
    let text = text.trim();
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("", text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    Version { epoch: epoch.as_bytes(), upstream, revision }
}

/// Alternately a run of non-digits, by character, and a run of digits, by value.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (words_a, words_b) = (take(&mut a, false), take(&mut b, false));
        let (digits_a, digits_b) = (take(&mut a, true), take(&mut b, true));
        match words(words_a, words_b).then_with(|| number(digits_a, digits_b)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// Takes the run of digits, or of everything else, off the front.
fn take<'a>(text: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = text.iter().position(|b| b.is_ascii_digit() != digits).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    run
}

/// `~` before the end, the end before letters, letters before everything else.
fn words(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => 256 + i32::from(*other),
    };
    let longest = a.len().max(b.len());
    (0..longest).map(|i| rank(a.get(i)).cmp(&rank(b.get(i)))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Digits of any length, by value; none is 0.
fn number(a: &[u8], b: &[u8]) -> Ordering {
    let bare = |digits: &[u8]| -> usize { digits.iter().take_while(|b| **b == b'0').count() };
    let (a, b) = (&a[bare(a)..], &b[bare(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_rules_of_the_policy_hold() {
        let rising = [
            "~~",
            "~~a",
            "~",
            "",
            "0.9~rc1-1",
            "0.9-1~bpo12+1",
            "0.9-1",
            "0.9-1+b1",
            "0.9-1+deb12u1",
            "0.9a-1",
            "0.9+git1-1",
            "0.10-1",
            "1.0-1ubuntu1",
            "1.0-1ubuntu1.10",
            "1:0.1-1",
            "2:0-0",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{} > {}", pair[1], pair[0]);
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("1.0-00", "1.0"), ("1.2-3-4", "1.2-3-4")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} = {b}");
        }
        let (nines, one) = ("9".repeat(500), format!("1{}", "0".repeat(500)));
        assert_eq!(compare(&nines, &one), Ordering::Less);
    }

    #[test]
    fn every_debian_ordering_of_the_corpus_is_right() {
        let dir = corpora().join("version-compare");
        for file in ["debian.txt", "debian-generated-even.txt"] {
            let Ok(text) = std::fs::read_to_string(dir.join(file)) else {
                println!("skipped: corpus version-compare/{file} not found");
                continue;
            };
            let rows: Vec<_> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
            let wrong: Vec<_> = rows.iter().filter(|row| !holds(row)).collect();
            println!("{file}: {} of {} right", rows.len() - wrong.len(), rows.len());
            assert!(wrong.is_empty(), "{file}: {wrong:?}");
        }
    }

    fn corpora() -> PathBuf {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
        std::env::var_os("PALISADE_CORPORA").map_or(beside, PathBuf::from)
    }

    fn holds(row: &str) -> bool {
        let mut words = row.split_whitespace();
        let (Some(a), Some(sign), Some(b)) = (words.next(), words.next(), words.next()) else { return false };
        let sign = match sign {
            "<" => Ordering::Less,
            ">" => Ordering::Greater,
            _ => Ordering::Equal,
        };
        compare(a, b) == sign && compare(b, a) == sign.reverse()
    }

    fn version() -> impl Strategy<Value = String> {
        prop_oneof!["([0-9]{1,2}:)?[0-9a-c.+~-]{0,8}(-[0-9a-b+~.]{1,4})?", ".{0,12}"]
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in version(), b in version(), c in version()) {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le(), "{} <= {} <= {}", a, b, c);
            }
        }
    }
}
