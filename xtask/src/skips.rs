//! Which tests may skip themselves in CI: `xtask/expected-skips.txt`.

use std::collections::BTreeMap;

/// The reasons that are known and accepted.
pub const FILE: &str = "xtask/expected-skips.txt";

/// One reason, how often it was given, and whether it is expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    pub text: String,
    pub count: usize,
    pub expected: bool,
}

/// The distinct reasons, held against the list of expected ones.
pub fn judge(reasons: &[String], expected: &str) -> Vec<Reason> {
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counted.entry(reason).or_default() += 1;
    }
    let known = |text: &str| expected.iter().any(|part| text.contains(part));
    counted.into_iter().map(|(text, count)| Reason { text: text.to_owned(), count, expected: known(text) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_and_held_against_the_list() {
        let reasons = ["no IPv6 here", "no nft in the path", "no IPv6 here"].map(str::to_owned);
        let judged = judge(&reasons, "# the builders have no IPv6\nno IPv6\n\n");
        let said: Vec<_> = judged.iter().map(|r| (r.text.as_str(), r.count, r.expected)).collect();
        assert_eq!(said, [("no IPv6 here", 2, true), ("no nft in the path", 1, false)]);
    }

    #[test]
    fn an_empty_list_expects_nothing() {
        assert!(!judge(&["anything".to_owned()], "# nothing\n\n")[0].expected);
    }
}
