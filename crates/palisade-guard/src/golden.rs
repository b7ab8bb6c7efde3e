//! Goldens of checks: given, a line of dashes, expected. Adding a case is adding a file.
//!
//! A file `tests/golden/<check id>.<fail|pass|…>.txt` holds the observation as TOML (fields that
//! are absent have their defaults), a line `-----`, and what the *named check* says, one finding
//! per line as `severity object | evidence`, or `pass`, or `unknown | why`. A comment line `# …`
//! before the TOML may say what the case is about. The judged moment is 2026-11-22T12:00:00Z
//! unless a line `# now: RFC 3339` says otherwise.

use crate::Entry;
use palisade_core::{CheckOutcome, FindingState, HostId, Timestamp, Verdicts};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Runs every golden file in `dir` against `guard`, and demands at least one failing and one
/// passing case of every check. With `UPDATE_GOLDEN=1` it rewrites the expected halves instead.
///
/// # Panics
/// When a file says something else than the guard, listing all differences.
pub fn checks(guard: &Entry, dir: &Path) {
    let mut wrong = String::new();
    let mut seen: BTreeMap<&str, (bool, bool)> = guard.checks.iter().map(|c| (c.id, (false, false))).collect();
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("reading {}: {e}", dir.display()))
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    for path in files {
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        let Some(check) = guard.checks.iter().find(|c| name == c.id || name.starts_with(&format!("{}.", c.id))) else {
            let _ = writeln!(wrong, "{name}: names no check of the {} guard", guard.word);
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (given, expected) = text.split_once("\n-----\n").unwrap_or((text.as_str(), ""));
        let actual = match judged(guard, given) {
            Ok(verdicts) => said(check.id, &verdicts),
            Err(error) => format!("error: {error}\n"),
        };
        let entry = seen.entry(check.id).or_default();
        entry.0 |= actual.lines().any(|l| l != "pass" && !l.starts_with("unknown") && !l.starts_with("error"));
        entry.1 |= actual == "pass\n";
        if actual.trim() == expected.trim() {
            continue;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{given}\n-----\n{actual}"))
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        } else {
            let _ = writeln!(wrong, "{name}: expected\n{expected}\nbut got\n{actual}");
        }
    }
    for (id, (failed, passed)) in seen {
        if !failed || !passed {
            let _ =
                writeln!(wrong, "{id}: needs a failing and a passing golden (failing: {failed}, passing: {passed})");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn judged(guard: &Entry, given: &str) -> Result<Verdicts, String> {
    let now = given.lines().find_map(|l| l.strip_prefix("# now: ")).unwrap_or("2026-11-22T12:00:00Z");
    let now: Timestamp = now.trim().parse().map_err(|e| format!("now: {e}"))?;
    let host: HostId = "web-1".parse().map_err(|e| format!("{e}"))?;
    let observed: serde_json::Value = toml::from_str(given).map_err(|e| format!("given: {e}"))?;
    guard.observer.judge(observed, &host, now).map_err(|e| crate::contract::chain(&e))
}

fn said(check: &str, verdicts: &Verdicts) -> String {
    let mut out = String::new();
    match verdicts.runs.iter().find(|r| r.check == check).map(|r| r.outcome) {
        None => out.push_str("not run\n"),
        Some(CheckOutcome::Passed) => out.push_str("pass\n"),
        Some(_) => {}
    }
    for finding in verdicts.findings.iter().filter(|f| f.check == check) {
        let evidence = crate::cli::printable(&finding.evidence);
        let _ = match finding.state {
            FindingState::Unknown => writeln!(out, "unknown | {evidence}"),
            _ => writeln!(out, "{} {} | {evidence}", finding.severity, crate::cli::printable(&finding.object)),
        };
    }
    out
}
