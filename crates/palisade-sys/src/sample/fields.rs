//! Words and numbers in the text of `/proc`, without allocation.

/// The lines, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

/// The words of a line, split at blanks and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty())
}

/// A decimal number without sign; `None` for anything else, and for more than 64 bits.
pub fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |n, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// A decimal number with a point, finite and not negative.
pub fn decimal(word: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Fills `numbers` from the words; false when one is missing or no number.
pub fn numbers<'a>(words: &mut impl Iterator<Item = &'a [u8]>, numbers: &mut [u64]) -> bool {
    for slot in numbers {
        match words.next().and_then(number) {
            Some(value) => *slot = value,
            None => return false,
        }
    }
    true
}

/// Replaces `text` with `bytes`, at most `bytes_max` of them; what is not UTF-8 becomes U+FFFD.
pub fn set_text(text: &mut String, bytes: &[u8], bytes_max: usize) {
    text.clear();
    let cut = &bytes[..bytes.len().min(bytes_max)];
    for chunk in cut.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() && cut.len() == bytes.len() {
            text.push('\u{fffd}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_or_have_signs_are_no_numbers() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["18446744073709551616", "-1", "+1", "", "1x", "\u{0661}"] {
            assert_eq!(number(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_is_cut_at_a_character() {
        let mut text = "before".to_owned();
        set_text(&mut text, "aé".as_bytes(), 2);
        assert_eq!(text, "a");
        set_text(&mut text, b"a\xffb", 16);
        assert_eq!(text, "a\u{fffd}b");
    }
}
