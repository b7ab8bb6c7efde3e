//! How many tests passed, failed and were skipped, read from what the test runners wrote.
//!
//! A test that skips itself says `skipped: why` and passes for its runner; here it is skipped. A
//! runner that wrote no count is an error: no count must never read as no failure.

use anyhow::{Context, Result, bail};
use std::fmt;

/// What one runner counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// What one runner said: its count, and the reason of every test that skipped itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Counts,
    pub reasons: Vec<String>,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The reason if this line says that something was skipped. With one thread the Rust test harness
/// prints `test name ... ` on the same line first.
pub fn reason(line: &str) -> Option<&str> {
    let said = match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
        Some((_, said)) => said,
        None => line,
    };
    said.strip_prefix("skipped:").map(str::trim)
}

/// From the JUnit file that nextest writes (`.config/nextest.toml`).
pub fn nextest(junit: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut cases = junit.split("<testcase ");
    let head = cases.next().filter(|head| head.contains("<testsuites")).context("this is no JUnit report")?;
    for case in cases {
        let text = unescape(case);
        let why = text.lines().find_map(|l| reason(l.rsplit_once("<system-err>").map_or(l, |(_, rest)| rest)));
        if case.contains("<failure") || case.contains("<error") {
            tally.counts.failed += 1;
        } else if let Some(why) = why {
            tally.counts.skipped += 1;
            tally.reasons.push(why.to_owned());
        } else {
            tally.counts.passed += 1;
        }
    }
    let total: u64 = attribute(head, "tests").context("the JUnit report does not say how many tests ran")?;
    let counted = tally.counts.passed + tally.counts.failed + tally.counts.skipped;
    if total != counted {
        bail!("the JUnit report names {counted} tests and says that {total} ran");
    }
    if total == 0 {
        bail!("no test ran");
    }
    Ok(tally)
}

fn attribute(tag: &str, name: &str) -> Option<u64> {
    let (_, rest) = tag.rsplit_once("<testsuites")?.1.split_once(&format!(" {name}=\""))?;
    rest.split_once('"')?.0.parse().ok()
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// From the output of `cargo test -- --show-output`.
pub fn cargo_test(output: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let results: Vec<&str> = output.lines().filter_map(|l| l.strip_prefix("test result: ")).collect();
    if results.is_empty() {
        bail!("`cargo test` printed no `test result:` line");
    }
    for result in results {
        let number = |word| before(result, word).with_context(|| format!("no number of {word} tests in `{result}`"));
        tally.counts += Counts { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? };
    }
    tally.reasons = output.lines().filter_map(reason).map(str::to_owned).collect();
    let skipped = tally.counts.passed.min(tally.reasons.len() as u64);
    tally.counts.passed -= skipped;
    tally.counts.skipped += skipped;
    Ok(tally)
}

/// From the JSON report of Vitest.
pub fn vitest(json: &str) -> Result<Tally> {
    let report: serde_json::Value = serde_json::from_str(json).context("Vitest's report is no JSON")?;
    let number = |key: &str| report[key].as_u64().with_context(|| format!("Vitest's report has no `{key}`"));
    let skipped = number("numPendingTests")? + number("numTodoTests")?;
    let counts = Counts { passed: number("numPassedTests")?, failed: number("numFailedTests")?, skipped };
    if counts == Counts::default() {
        bail!("no console test ran");
    }
    let files = report["testResults"].as_array().into_iter().flatten();
    let tests = files.flat_map(|file| file["assertionResults"].as_array().into_iter().flatten());
    let reasons = tests.filter(|t| !matches!(t["status"].as_str(), Some("passed" | "failed")));
    let reasons = reasons.map(|t| format!("console unit test: {}", t["fullName"].as_str().unwrap_or("without a name")));
    Ok(Tally { counts, reasons: reasons.collect() })
}

/// From the last line `N passed, N failed[, N skipped]` of the console's paths.
pub fn paths(output: &str) -> Result<Tally> {
    let line = output
        .lines()
        .rev()
        .find(|l| before(l, "passed").is_some() && before(l, "failed").is_some())
        .context("the console's paths printed no line `N passed, N failed`")?;
    let number = |word| before(line, word).unwrap_or(0);
    let counts = Counts { passed: number("passed"), failed: number("failed"), skipped: number("skipped") };
    if counts == Counts::default() {
        bail!("no console path ran");
    }
    Ok(Tally { counts, reasons: output.lines().filter_map(reason).map(str::to_owned).collect() })
}

/// The number in front of `word`: 12 for `passed` in `ok. 12 passed; 1 failed`.
fn before(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().map(|w| w.trim_matches([',', ';', '.'])).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const JUNIT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" skipped="0" failures="1" errors="0" time="0.088">
    <testsuite name="nx" tests="4" skipped="0" errors="0" failures="1">
        <testcase name="tests::good" classname="nx" time="0.005">
            <system-out>
running 1 test
not skipped: this is no reason
test tests::good ... ok
</system-out>
            <system-err></system-err>
        </testcase>
        <testcase name="tests::skips" classname="nx" time="0.004">
            <system-out>
running 1 test
skipped: needs root &amp; &lt;a kernel&gt;
test tests::skips ... ok
</system-out>
            <system-err></system-err>
        </testcase>
        <testcase name="tests::skips_on_standard_error" classname="nx" time="0.005">
            <system-out></system-out>
            <system-err>skipped: needs a kernel
</system-err>
        </testcase>
        <testcase name="tests::bad" classname="nx" time="0.087">
            <failure message="panicked" type="test failure">x</failure>
            <system-out></system-out>
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn a_test_that_says_skipped_is_not_counted_as_passed() {
        let tally = nextest(JUNIT).unwrap();
        assert_eq!(tally.counts, Counts { passed: 1, failed: 1, skipped: 2 });
        assert_eq!(tally.reasons, ["needs root & <a kernel>", "needs a kernel"]);
    }

    #[test]
    fn a_report_without_a_count_or_with_another_one_is_an_error() {
        assert!(nextest("").is_err());
        assert!(nextest("<testsuites name=\"x\">").is_err());
        assert!(nextest(&JUNIT.replace("tests=\"4\"", "tests=\"5\"")).is_err());
        assert!(nextest("<testsuites name=\"x\" tests=\"0\">").is_err());
        assert!(cargo_test("error: could not compile").is_err());
        assert!(vitest("{}").is_err());
        assert!(paths("done").is_err());
        assert!(paths("0 passed, 0 failed").is_err());
    }

    #[test]
    fn the_results_of_all_test_binaries_add_up() {
        let output = "test a ... ok\nskipped: no nft\ntest result: ok. 3 passed; 1 failed; 1 ignored; 0 measured\n\
                      test b ... skipped: no sshd\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        let tally = cargo_test(output).unwrap();
        assert_eq!(tally.counts, Counts { passed: 3, failed: 1, skipped: 3 });
        assert_eq!(tally.reasons, ["no nft", "no sshd"]);
    }

    #[test]
    fn the_counts_of_the_console_are_read() {
        let json = r#"{"numPassedTests": 31, "numFailedTests": 1, "numPendingTests": 1, "numTodoTests": 0, "testResults":
            [{"assertionResults": [{"fullName": "a", "status": "passed"}, {"fullName": "paths b", "status": "skipped"}]}]}"#;
        assert_eq!(vitest(json).unwrap().counts, Counts { passed: 31, failed: 1, skipped: 1 });
        assert_eq!(vitest(json).unwrap().reasons, ["console unit test: paths b"]);
        let output = "skipped: no phone\n14 passed, 0 failed, 1 skipped\nended\n";
        assert_eq!(paths(output).unwrap().counts, Counts { passed: 14, failed: 0, skipped: 1 });
        assert_eq!(paths(output).unwrap().reasons, ["no phone"]);
    }

    #[test]
    fn the_totals_stand_on_a_line_of_their_own() {
        let mut all = Counts { passed: 1, failed: 0, skipped: 2 };
        all += Counts { passed: 10, failed: 1, skipped: 0 };
        assert_eq!(all.to_string(), "11 passed, 1 failed, 2 skipped");
    }
}
