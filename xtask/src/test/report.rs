//! What is printed at the end, and the exit status.

use super::session::Session;
use crate::skips;
use std::process::ExitCode;

/// Prints steps, skips and totals; the totals stand alone on the last line.
pub fn print(session: &Session) -> ExitCode {
    println!("\n== summary");
    for record in &session.records {
        println!("{:>8.1} s  {:<20} {}", record.took.as_secs_f64(), record.name, record.outcome.word());
    }
    let mut bad = session.records.iter().any(|r| r.outcome.is_bad());
    for why in &session.uncounted {
        println!("no count: {why}");
        bad = true;
    }
    bad |= session.counts.failed > 0;
    bad |= unexpected_skips(session) && in_ci();
    println!("{}", session.counts);
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints each distinct reason; true if one is not on the list.
fn unexpected_skips(session: &Session) -> bool {
    // without the list every reason is unexpected, which CI then says
    let expected = std::fs::read_to_string(skips::FILE).unwrap_or_default();
    let reasons = skips::judge(&session.reasons, &expected);
    if !reasons.is_empty() {
        println!("{} skipped, for these reasons:", session.counts.skipped);
    }
    for reason in &reasons {
        let note = if reason.expected { "" } else { " (not in xtask/expected-skips.txt)" };
        println!("{:>5} × {}{note}", reason.count, reason.text);
    }
    reasons.iter().any(|r| !r.expected)
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_count_that_could_not_be_read_is_a_failure() {
        let mut session = Session::default();
        assert_eq!(print(&session), ExitCode::SUCCESS);
        session.count(Err(anyhow!("no count found")));
        assert_eq!(print(&session), ExitCode::FAILURE);
    }
}
