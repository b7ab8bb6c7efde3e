//! What a rule would have done: the same judging as live, over what is stored.

use super::book::{Book, Watched};
use super::judge::{self, Change, Phase, SeriesState, Transition};
use super::rule::RuleSpec;
use super::word::{Statistic, Treat};
use crate::store::{Column, Retention, Store, Tier};
use palisade_core::HostId;
use palisade_guard::GuardError;
use palisade_guard::store::HostRow;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Firings in one answer; all are counted.
pub const FIRINGS_MAX: usize = 500;
/// A firing shorter than this woke somebody for nothing.
const SHORT_S: i64 = 300;
/// Thresholds that are tried.
const SUGGESTIONS_MAX: usize = 4;
/// How long suggestions may be looked for, however long reading has taken.
const SUGGESTIONS_LENGTH_MAX: Duration = Duration::from_millis(500);
/// Values that a quantile is taken of.
const VALUES_MAX: usize = 200_000;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The rule.
    pub spec: RuleSpec,
    /// From, Unix seconds.
    pub from_s: i64,
    /// To, exclusive.
    pub to_s: i64,
    /// The present.
    pub now_s: i64,
    /// For how long samples are kept.
    pub retention: Retention,
}

/// What it would have done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Answer {
    /// How often it would have fired.
    pub fired: u64,
    /// How many of these would have been over within 5 minutes.
    pub shorter_than_5m: u64,
    /// Series that were judged.
    pub series: u64,
    /// Hosts that had any.
    pub hosts: u64,
    /// Before this moment only summaries are kept, and some policies are judged by them as well as it
    /// goes; Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approximate_before: Option<i64>,
    /// Each firing, newest first, at most 500.
    pub firings: Vec<Firing>,
    /// Other thresholds, and how often those would have fired.
    pub suggestions: Vec<Suggestion>,
    /// How long this took.
    pub took_ms: u64,
    /// Why nothing was judged, if nothing was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// One alarm that there would have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Firing {
    /// Where.
    #[schema(value_type = String)]
    pub host: HostId,
    /// What tells the series apart.
    pub labels: BTreeMap<String, String>,
    /// The place of the policy.
    pub policy: usize,
    /// When it fired, Unix seconds.
    pub from: i64,
    /// When it was over; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<i64>,
    /// The worst value.
    pub peak: f64,
}

/// A policy with another threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// Of which policy.
    pub policy: usize,
    /// The threshold, in the unit of the policy.
    pub threshold: f64,
    /// The recovery threshold, if there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recover: Option<f64>,
    /// How often the whole rule would have fired.
    pub fired: u64,
}

/// Tries a rule on what is stored of these hosts.
pub async fn backtest(
    db: &mut SqliteConnection,
    store: &Store,
    hosts: &[HostRow],
    ask: &Ask,
) -> Result<Answer, GuardError> {
    let started = Instant::now();
    let book = Book::of(vec![("draft".to_owned(), ask.spec.clone())]);
    let watched: Vec<Arc<Watched>> = book.rules.iter().flat_map(|rule| rule.watched.clone()).collect();
    let names: Vec<HostId> = hosts.iter().map(|row| row.id.clone()).collect();
    let mut columns: BTreeMap<&'static str, Vec<Column>> = BTreeMap::new();
    for metric in watched.iter().map(|w| w.metric.name) {
        if !columns.contains_key(metric) {
            columns.insert(metric, history(db, store, &names, metric, ask).await?);
        }
    }
    let mut answer = judged(&watched, &columns, ask);
    answer.suggestions = suggestions(&watched, &columns, ask, &answer, Instant::now());
    answer.took_ms = started.elapsed().as_millis() as u64;
    answer.reason = reason(&watched, hosts, &answer);
    Ok(answer)
}

fn reason(watched: &[Arc<Watched>], hosts: &[HostRow], answer: &Answer) -> Option<String> {
    if watched.is_empty() {
        return Some("the rule has no policy on a metric; events cannot be tried on the past".to_owned());
    }
    if hosts.is_empty() {
        return Some("no host is in its scope".to_owned());
    }
    (answer.series == 0).then(|| "no series in this time is one that the rule is about".to_owned())
}

/// All that is stored of a metric: raw as far as it reaches, summaries before.
async fn history(
    db: &mut SqliteConnection,
    store: &Store,
    hosts: &[HostId],
    metric: &str,
    ask: &Ask,
) -> Result<Vec<Column>, GuardError> {
    let mut joined: BTreeMap<(HostId, String), Column> = BTreeMap::new();
    for (tier, from_s, to_s) in parts(ask) {
        for column in store.columns(db, hosts, metric, tier, (from_s, to_s)).await? {
            let whole = joined.entry((column.host.clone(), column.key.to_string()));
            match whole {
                std::collections::btree_map::Entry::Vacant(free) => _ = free.insert(column),
                std::collections::btree_map::Entry::Occupied(mut whole) => whole.get_mut().points.extend(column.points),
            }
        }
    }
    Ok(joined.into_values().collect())
}

/// Which tier answers which part of the time, oldest first.
fn parts(ask: &Ask) -> Vec<(Tier, i64, i64)> {
    let (mut parts, mut to_s) = (Vec::new(), ask.to_s);
    for tier in [Tier::Raw, Tier::FiveMinutes, Tier::Hour] {
        let coarser = tier.next().map_or(1, Tier::step_s);
        let kept_s = (ask.now_s - ask.retention.kept_s(tier)).div_euclid(coarser) * coarser + coarser;
        let from_s = ask.from_s.max(if tier == Tier::Hour { i64::MIN } else { kept_s });
        if from_s < to_s {
            parts.push((tier, from_s, to_s));
            to_s = from_s;
        }
    }
    parts.reverse();
    parts
}

/// Where raw samples begin, if a policy needs them and there are only summaries before.
fn approximate_before(watched: &[Arc<Watched>], ask: &Ask) -> Option<i64> {
    let parts = parts(ask);
    let raw_s = parts.iter().find(|(tier, ..)| *tier == Tier::Raw).map_or(ask.to_s, |(_, from_s, _)| *from_s);
    let coarsest_s = parts.first().filter(|(tier, ..)| *tier != Tier::Raw).map(|(tier, ..)| tier.step_s())?;
    // gaps within a summary cannot be seen
    let exact = |w: &Arc<Watched>| {
        w.test.period_s >= coarsest_s && w.test.statistic != Statistic::Latest && w.test.treat == Treat::Keep
    };
    (!watched.iter().all(exact)).then_some(raw_s)
}

/// Judges columns, each by itself. Pure.
pub fn judged(watched: &[Arc<Watched>], columns: &BTreeMap<&'static str, Vec<Column>>, ask: &Ask) -> Answer {
    let mut answer = Answer { approximate_before: approximate_before(watched, ask), ..Answer::default() };
    let mut hosts = std::collections::BTreeSet::new();
    for watched in watched {
        for column in columns.get(watched.metric.name).into_iter().flatten().filter(|c| watched.is_about(&c.key)) {
            answer.series += 1;
            hosts.insert(&column.host);
            each_firing(watched, column, ask, &mut |firing| {
                answer.fired += 1;
                answer.shorter_than_5m += u64::from(firing.to.is_some_and(|to| to - firing.from < SHORT_S));
                answer.firings.push(firing);
            });
        }
    }
    answer.hosts = hosts.len() as u64;
    answer.firings.sort_by(|a, b| b.from.cmp(&a.from).then_with(|| a.host.cmp(&b.host)));
    answer.firings.truncate(FIRINGS_MAX);
    answer
}

/// All that becomes of one policy on one series.
pub fn transitions(watched: &Watched, column: &Column, ask: &Ask) -> Vec<Transition> {
    let (mut state, mut out) = (SeriesState::default(), Vec::new());
    let mut patience = Patience::new(watched, ask);
    for (at_s, summary) in &column.points {
        judge::step(patience.after(&state), &mut state, *at_s, *summary, &mut out);
    }
    judge::pass(patience.after(&state), &mut state, ask.to_s.min(ask.now_s), &mut out);
    out
}

/// A summary says when its time begins; its last sample came up to a step later. Only after that is
/// there silence.
struct Patience {
    test: judge::Test,
    after_s: i64,
    parts: Vec<(Tier, i64, i64)>,
}

impl Patience {
    fn new(watched: &Watched, ask: &Ask) -> Patience {
        let (test, parts) = (watched.test.clone(), parts(ask));
        Patience { after_s: test.no_data_after_s, test, parts }
    }

    /// The test for what comes after the newest sample of `state`.
    fn after(&mut self, state: &SeriesState) -> &judge::Test {
        let last_s = state.last_at_s;
        let of_last = self.parts.iter().find(|(_, from_s, to_s)| (*from_s..*to_s).contains(&last_s));
        let step_s = of_last.map_or(0, |(tier, ..)| if *tier == Tier::Raw { 0 } else { tier.step_s() });
        self.test.no_data_after_s = self.after_s + step_s;
        &self.test
    }
}

fn each_firing(watched: &Watched, column: &Column, ask: &Ask, each: &mut impl FnMut(Firing)) {
    let (mut state, mut out) = (SeriesState::default(), Vec::new());
    let mut patience = Patience::new(watched, ask);
    let mut open: Option<Firing> = None;
    let mut take = |state: &SeriesState, out: &mut Vec<Transition>, each: &mut dyn FnMut(Firing)| {
        for transition in out.drain(..) {
            match transition.to {
                Change::Firing | Change::NoData if open.is_none() => {
                    open = Some(Firing {
                        host: column.host.clone(),
                        labels: column.key.labels(),
                        policy: watched.index,
                        from: transition.at_s,
                        to: None,
                        peak: transition.value,
                    });
                }
                Change::Resolved => {
                    if let Some(firing) = open.take() {
                        each(Firing { to: Some(transition.at_s), ..firing });
                    }
                }
                _ => {}
            }
        }
        if let Some(firing) = open.as_mut().filter(|_| state.phase == Phase::Firing) {
            let lower = watched.test.operator.up() == Some(false);
            firing.peak = if lower { firing.peak.min(state.value) } else { firing.peak.max(state.value) };
        }
    };
    for (at_s, summary) in &column.points {
        judge::step(patience.after(&state), &mut state, *at_s, *summary, &mut out);
        if !out.is_empty() || state.phase == Phase::Firing {
            take(&state, &mut out, each);
        }
    }
    judge::pass(patience.after(&state), &mut state, ask.to_s.min(ask.now_s), &mut out);
    take(&state, &mut out, each);
    if let Some(firing) = open {
        each(firing);
    }
}

/// Thresholds at which it would fire less: high quantiles of what was measured.
fn suggestions(
    watched: &[Arc<Watched>],
    columns: &BTreeMap<&'static str, Vec<Column>>,
    ask: &Ask,
    answer: &Answer,
    started: Instant,
) -> Vec<Suggestion> {
    let Some(loudest) = loudest(watched, answer) else { return Vec::new() };
    let Some(up) = loudest.test.operator.up().filter(|_| !loudest.test.operator.is_change()) else { return Vec::new() };
    let mut found = Vec::new();
    for value in quantiles(loudest, columns, up) {
        if started.elapsed() > SUGGESTIONS_LENGTH_MAX || found.len() >= SUGGESTIONS_MAX {
            break;
        }
        let shift = value - loudest.test.threshold;
        let mut other = Watched::clone(loudest);
        (other.test.threshold, other.test.recover) = (value, loudest.test.recover.map(|r| r + shift));
        let factor =
            if loudest.test.threshold == 0.0 { 1.0 } else { loudest.policy.threshold / loudest.test.threshold };
        let all: Vec<_> = watched
            .iter()
            .map(|w| if w.index == loudest.index { Arc::new(other.clone()) } else { Arc::clone(w) })
            .collect();
        let fired = judged(&all, columns, ask).fired;
        if fired < answer.fired {
            let recover = other.test.recover.map(|r| r * factor);
            found.push(Suggestion { policy: loudest.index, threshold: value * factor, recover, fired });
        }
    }
    found
}

/// The policy that fired most.
fn loudest<'a>(watched: &'a [Arc<Watched>], answer: &Answer) -> Option<&'a Arc<Watched>> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    answer.firings.iter().for_each(|firing| *counts.entry(firing.policy).or_default() += 1);
    let (index, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    watched.iter().find(|w| w.index == index)
}

/// Rounded to two digits beyond the threshold, mildest first.
fn quantiles(watched: &Watched, columns: &BTreeMap<&'static str, Vec<Column>>, up: bool) -> Vec<f64> {
    let all: Vec<&Column> =
        columns.get(watched.metric.name).into_iter().flatten().filter(|c| watched.is_about(&c.key)).collect();
    let points: usize = all.iter().map(|c| c.points.len()).sum();
    let every = points / VALUES_MAX + 1;
    let values = all.iter().flat_map(|c| &c.points).step_by(every).map(|(_, s)| watched.test.statistic.of(*s, s.avg));
    let beyond = |v: &f64| if up { *v > watched.test.threshold } else { *v < watched.test.threshold };
    let mut values: Vec<f64> = values.filter(beyond).collect();
    values.sort_by(f64::total_cmp);
    if !up {
        values.reverse();
    }
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share) as usize).copied();
    let mut found: Vec<f64> =
        [0.25, 0.5, 0.75, 0.9, 0.99, 1.0].into_iter().filter_map(at).map(|v| rounded(v, up)).collect();
    found.dedup();
    found.retain(|v| *v <= watched.metric.max && beyond(v));
    found
}

/// To three digits, away from what fires.
fn rounded(value: f64, up: bool) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(value.abs().log10().floor() - 2.0);
    (if up { (value / unit).ceil() } else { (value / unit).floor() }) * unit
}
