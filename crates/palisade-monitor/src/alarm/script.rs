//! Tests of rules: series written down, and what the rules must say of them at which time. Needs no
//! server; the judging is the live one.

use super::book::Book;
use super::judge::Phase;
use super::live::LiveHost;
use super::rule::RuleSpec;
use crate::model::SeriesKey;
use crate::store::SamplesRow;
use anyhow::{Context, bail, ensure};
use palisade_core::{HostId, Span};
use palisade_guard::kind;
use palisade_guard::store::HostRow;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Values of one series.
const VALUES_MAX: usize = 100_000;
/// A file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// When every series begins: a midnight.
const BEGIN_S: i64 = 1_728_000_000;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    /// Specs of AlarmRule by name.
    #[serde(default)]
    rules: BTreeMap<String, Value>,
    /// Files with documents of AlarmRule and AlarmTemplate, beside this one.
    #[serde(default)]
    files: Vec<String>,
    tests: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "minute")]
    interval: Span,
    series: BTreeMap<String, String>,
    expect: Vec<Expected>,
}

fn minute() -> Span {
    Span::from_secs(60).expect("in range")
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Since the first value.
    at: Span,
    rule: String,
    /// Needed when there are several.
    #[serde(default)]
    series: Option<String>,
    /// ok, pending, firing, no_data.
    state: String,
    #[serde(default)]
    stale: Option<bool>,
}

/// What a file of tests said.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Tests in it.
    pub tests: usize,
    /// What was otherwise than expected, a sentence each.
    pub failures: Vec<String>,
}

/// Runs the tests of a file.
pub fn run(path: &Path) -> anyhow::Result<Verdict> {
    let script: Script = serde_saphyr::from_str(&read(path)?).with_context(|| format!("reading {}", path.display()))?;
    let mut rules = Vec::new();
    for (name, spec) in &script.rules {
        rules.push((name.clone(), checked(spec).with_context(|| format!("rule `{name}`"))?));
    }
    for file in &script.files {
        let beside = path.parent().unwrap_or(Path::new(".")).join(file);
        rules.extend(documents(&beside)?);
    }
    let book = Book::of(rules);
    let mut verdict = Verdict { tests: script.tests.len(), failures: Vec::new() };
    for case in &script.tests {
        let failures = judged(&book, case).with_context(|| format!("test `{}`", case.name))?;
        verdict.failures.extend(failures.into_iter().map(|failure| format!("{}: {failure}", case.name)));
    }
    Ok(verdict)
}

/// The text of a file of people's.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len();
    ensure!(size <= FILE_BYTES_MAX, "{} is larger than {FILE_BYTES_MAX} bytes", path.display());
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// The alarm rules of a file of documents; one with `template` has its policies written out.
pub fn documents(path: &Path) -> anyhow::Result<Vec<(String, RuleSpec)>> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(&read(path)?).with_context(|| format!("reading {}", path.display()))?;
    let of_kind = |kind: &str| {
        let all = all.iter().filter(move |d| d["kind"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(kind)));
        all.map(|d| (d["name"].as_str().unwrap_or_default().to_owned(), d["spec"].clone())).collect::<Vec<_>>()
    };
    let templates: BTreeMap<_, _> = of_kind("AlarmTemplate").into_iter().collect();
    let mut rules = Vec::new();
    for (name, spec) in of_kind("AlarmRule") {
        let mut rule = checked(&spec).with_context(|| format!("rule `{name}`"))?;
        if let Some(template) = rule.template.take() {
            let policies = match templates.get(&template) {
                Some(spec) => serde_json::from_value(spec["policies"].clone())?,
                None => super::builtin::template(&template).with_context(|| format!("no template `{template}`"))?,
            };
            rule.policies.extend(policies);
        }
        rules.push((name, rule));
    }
    Ok(rules)
}

fn checked(spec: &Value) -> anyhow::Result<RuleSpec> {
    let say = |e: palisade_guard::api::ApiError| {
        let hint = e.hinted().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        anyhow::anyhow!("{}: {}{hint}", e.path().unwrap_or("spec"), e.message())
    };
    let spec: RuleSpec = kind::spec_of(spec).map_err(say)?;
    spec.checked().map_err(say)?;
    Ok(spec)
}

fn judged(book: &Book, case: &Case) -> anyhow::Result<Vec<String>> {
    let rows = rows(case)?;
    let host: HostId = "test".parse().context("a name of a host")?;
    let pages = book.pages(&[HostRow::new(host.clone(), palisade_core::Timestamp::UNIX_EPOCH)]);
    let page = pages.get(&host).cloned().unwrap_or_default();
    let mut live = LiveHost::new(page, BEGIN_S - 1, 0);
    let mut expected = case.expect.clone();
    expected.sort_by_key(|e| e.at);
    let (mut next, mut failures) = (0, Vec::new());
    for expected in &expected {
        let at_s = BEGIN_S + expected.at.as_secs() as i64;
        while next < rows.len() && rows[next].0 <= at_s {
            let ran_s = rows[next].0 - BEGIN_S;
            live.pass(ran_s);
            live.rows(&rows[next..=next], ran_s);
            next += 1;
        }
        live.pass(at_s - BEGIN_S);
        failures.extend(failure(book, &live, expected)?);
    }
    Ok(failures)
}

/// What is otherwise than expected.
fn failure(book: &Book, live: &LiveHost, expected: &Expected) -> anyhow::Result<Option<String>> {
    ensure!(book.rule(&expected.rule).is_some(), "there is no rule `{}`", expected.rule);
    let wanted = match expected.state.as_str() {
        "ok" | "resolved" => Phase::Ok,
        "pending" => Phase::Pending,
        "firing" => Phase::Firing,
        "no_data" => Phase::NoData,
        other => bail!("`{other}` is no state: ok, pending, firing or no_data"),
    };
    let of_rule = live.judged().filter(|(_, judged)| judged.watched.rule == expected.rule);
    let all: Vec<_> =
        of_rule.filter(|(key, _)| expected.series.as_ref().is_none_or(|s| *s == key.to_string())).collect();
    // a rule says what its worst policy says
    let rank =
        |phase: Phase| [Phase::Ok, Phase::Pending, Phase::NoData, Phase::Firing].iter().position(|p| *p == phase);
    let worst = all.iter().max_by_key(|(_, judged)| rank(judged.state.phase));
    let (phase, stale) = worst.map_or((Phase::Ok, false), |(_, judged)| (judged.state.phase, judged.state.stale));
    if phase == wanted && expected.stale.is_none_or(|wanted| wanted == stale) {
        return Ok(None);
    }
    let value = worst.map_or(String::new(), |(key, judged)| format!(" ({key} was {})", judged.state.value));
    let is_stale = if stale { ", stale" } else { "" };
    Ok(Some(format!("at {}, `{}` is {phase:?}{is_stale}, not {}{value}", expected.at, expected.rule, expected.state)))
}

fn rows(case: &Case) -> anyhow::Result<Vec<SamplesRow>> {
    let mut rows: BTreeMap<i64, Vec<(SeriesKey, f64)>> = BTreeMap::new();
    for (name, notation) in &case.series {
        let key = SeriesKey::parse(name).with_context(|| format!("`{name}` is no series"))?;
        let values = values(notation).with_context(|| format!("series `{name}`"))?;
        for (n, value) in (0..).zip(values) {
            let Some(value) = value else { continue };
            rows.entry(BEGIN_S + n * case.interval.as_secs() as i64).or_default().push((key.clone(), value));
        }
    }
    Ok(rows.into_iter().collect())
}

/// `0.5x10 0.95 _x3 1+2x4`: ten times 0.5, once 0.95, three gaps, then 1 3 5 7.
fn values(notation: &str) -> anyhow::Result<Vec<Option<f64>>> {
    let mut all = Vec::new();
    for token in notation.split_whitespace() {
        let (what, times) = match token.split_once('x') {
            Some((what, times)) => (what, times.parse().with_context(|| format!("`{token}`"))?),
            None => (token, 1_usize),
        };
        ensure!(all.len() + times <= VALUES_MAX, "more than {VALUES_MAX} values");
        if what == "_" {
            all.extend(std::iter::repeat_n(None, times));
            continue;
        }
        let sign =
            what.char_indices().skip(1).find(|(n, c)| matches!(c, '+' | '-') && !what[..*n].ends_with(['e', 'E']));
        let (first, by) = sign.map_or((what, "0"), |(n, _)| what.split_at(n));
        let number =
            |text: &str| text.parse::<f64>().ok().filter(|v| v.is_finite()).with_context(|| format!("`{token}`"));
        let (first, by) = (number(first)?, number(by)?);
        all.extend((0..times).map(|n| Some(first + by * n as f64)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn series_are_written_short() {
        let some = |v: &[f64]| v.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        assert_eq!(values("0.5x2 3").unwrap(), some(&[0.5, 0.5, 3.0]));
        assert_eq!(values("1+2x3 5-1x2").unwrap(), some(&[1.0, 3.0, 5.0, 5.0, 4.0]));
        assert_eq!(values("1e-3 _x2").unwrap(), [Some(0.001), None, None]);
        for wrong in ["x", "1x", "one", "1x9999999", "NaN"] {
            assert!(values(wrong).is_err(), "{wrong}");
        }
    }
}
