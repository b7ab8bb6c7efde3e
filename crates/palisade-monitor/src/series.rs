//! A series of one metric over a range: which tier answers, in which steps, where the gaps are,
//! and why there is nothing if there is nothing.

use crate::catalogue::{self, Metric};
use crate::model::SeriesKey;
use crate::pack::Summary;
use crate::store::{self, Points, Retention, Store, Tier};
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most points of one series in an answer.
pub const POINTS_MAX: i64 = 2_000;
/// The most points of a series that one answer reads.
const READ_MAX: i64 = 10_000;
/// The longest step of raw samples.
const RAW_STEP_S_MAX: i64 = 60;
/// A distance between samples that covers less than one part in so many of the time is a gap, not
/// the step at which they were taken.
const STEP_SHARE: i64 = 20;
/// The most series in an answer.
const SERIES_SHOWN_MAX: usize = 200;

/// A point: Unix seconds, the beginning of its step, and the value; null where nothing was
/// measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point(pub i64, pub Option<f64>);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Of which host.
    pub host: &'a HostId,
    /// Which metric.
    pub name: &'a str,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// Seconds between two points; the tier's own when absent.
    pub step_s: Option<i64>,
    /// The present.
    pub now: Timestamp,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// What tells it apart.
    pub labels: BTreeMap<String, String>,
    /// Averages of each step.
    pub points: Vec<Point>,
    /// The smallest value of each step; absent when a step is one value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub min: Option<Vec<Option<f64>>>,
    /// The largest value of each step; absent when a step is one value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max: Option<Vec<Option<f64>>>,
}

/// The series of one metric of one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesAnswer {
    /// The metric.
    pub name: String,
    /// Its unit; empty for an unknown metric.
    pub unit: String,
    /// What it says.
    pub help: String,
    /// What was read.
    pub tier: Tier,
    /// Seconds between two points.
    pub step_s: i64,
    /// The beginning of the first step, Unix seconds.
    pub from: i64,
    /// The end of the last step.
    pub to: i64,
    /// One for each value of the metric's label.
    pub series: Vec<Series>,
    /// Why there is no value, if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// Steps of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Which table.
    pub tier: Tier,
    /// Seconds of a step: a multiple of the tier's.
    pub step_s: i64,
    /// The beginning of the first step.
    pub from_s: i64,
    /// The end of the last.
    pub to_s: i64,
    /// True when a step is several values.
    pub is_band: bool,
}

/// The finest tier that still has the beginning of the range and reads few enough points, and steps
/// that make few enough points. Seconds only if `has_seconds`: there are none unless somebody
/// looked on. `raw_step_s` is the distance between raw samples.
pub fn grid(
    retention: Retention,
    (from_s, to_s): (i64, i64),
    step_s: Option<i64>,
    now_s: i64,
    (has_seconds, raw_step_s): (bool, i64),
) -> Grid {
    let span_s = (to_s - from_s).max(1);
    let own_step_s = |tier: Tier| if tier == Tier::Raw { raw_step_s } else { tier.step_s() };
    let answers = |tier: &Tier| {
        let kept = from_s >= now_s - retention.kept_s(*tier);
        let few = span_s / own_step_s(*tier) <= READ_MAX;
        kept && few && (*tier != Tier::Second || has_seconds)
    };
    let tier = Tier::ALL.into_iter().find(answers).unwrap_or(Tier::Hour);
    let least = own_step_s(tier);
    // a step that does not divide the range touches one point more
    let needed = step_s.unwrap_or(least).max(least).max(span_s.div_euclid(POINTS_MAX - 1) + 1).min(span_s.max(least));
    let step_s = needed.div_euclid(least) * least + if needed % least == 0 { 0 } else { least };
    let from_s = from_s.div_euclid(step_s) * step_s;
    let to_s = from_s + (to_s - from_s + step_s - 1).div_euclid(step_s) * step_s;
    Grid { tier, step_s, from_s, to_s, is_band: least < step_s || matches!(tier, Tier::FiveMinutes | Tier::Hour) }
}

/// Answers `ask`.
pub async fn series(db: &mut SqliteConnection, store: &Store, ask: &Ask<'_>) -> Result<SeriesAnswer, GuardError> {
    let (from_s, to_s, now_s) = (ask.from.as_second(), ask.to.as_second(), ask.now.as_second());
    let newest = store::latest_step(db, ask.host).await?;
    let raw_step_s = newest.map_or(RAW_STEP_S_MAX, |(_, step_s)| step_s.clamp(1, RAW_STEP_S_MAX));
    let retention = store.retention();
    let grid_of =
        |has_seconds, raw_step_s| grid(retention, (from_s, to_s), ask.step_s, now_s, (has_seconds, raw_step_s));
    let Some(metric) = catalogue::metric(ask.name) else {
        return Ok(empty(ask.name, None, grid_of(false, raw_step_s), unknown(ask.name)));
    };
    let has_seconds = has_seconds(db, store, ask).await?;
    let mut grid = grid_of(has_seconds, raw_step_s);
    let dictionary = store.dictionary(db, ask.host).await?;
    if dictionary.of_metric(ask.name).is_empty() {
        return Ok(empty(ask.name, Some(metric), grid, never(ask, dictionary.is_empty())));
    }
    // a coarser step of the data begins earlier and ends later
    let range = (grid.from_s - RAW_STEP_S_MAX, grid.to_s + RAW_STEP_S_MAX);
    let mut columns = store.columns(db, std::slice::from_ref(ask.host), ask.name, grid.tier, range).await?;
    columns.truncate(SERIES_SHOWN_MAX);
    if grid.tier == Tier::Raw {
        let found_s = columns.iter().map(|column| data_step_s(&column.points)).max().unwrap_or(0);
        grid = grid_of(has_seconds, found_s.max(raw_step_s));
    }
    let mut answer = empty(ask.name, Some(metric), grid, String::new());
    answer.series = columns.iter().filter_map(|column| shown(&column.key, &column.points, grid, now_s)).collect();
    answer.reason = match answer.series.is_empty() {
        true => Some(why_empty(ask, grid, retention.kept_s(Tier::Hour), newest.map(|(at, _)| at))),
        false => None,
    };
    Ok(answer)
}

/// The largest distance between two samples that is a step and not a gap: a host may have been told
/// to sample more often than before.
fn data_step_s(points: &Points) -> i64 {
    let mut covered: BTreeMap<i64, i64> = BTreeMap::new();
    for pair in points.windows(2) {
        let step_s = pair[1].0 - pair[0].0;
        *covered.entry(step_s).or_default() += step_s;
    }
    covered.retain(|step_s, _| *step_s <= RAW_STEP_S_MAX);
    let all: i64 = covered.values().sum();
    covered.into_iter().rev().find(|(_, own)| own * STEP_SHARE >= all).map_or(0, |(step_s, _)| step_s)
}

/// True if steps of less than a minute are asked for and there are some, or if none are asked for
/// and seconds cover at least half of the range: a short look must not hide the minutes before it.
async fn has_seconds(db: &mut SqliteConnection, store: &Store, ask: &Ask<'_>) -> Result<bool, GuardError> {
    let (from_s, to_s) = (ask.from.as_second(), ask.to.min(ask.now).as_second());
    let needed = match ask.step_s {
        Some(step_s) if step_s < Tier::Raw.step_s() => 1,
        Some(_) => return Ok(false),
        None => ((to_s - from_s) / 2).max(1),
    };
    if needed > store.retention().kept_s(Tier::Second) {
        return Ok(false);
    }
    Ok(store.seconds_count(db, ask.host, (from_s, to_s), needed).await? == needed)
}

fn empty(name: &str, metric: Option<&Metric>, grid: Grid, reason: String) -> SeriesAnswer {
    SeriesAnswer {
        name: name.chars().take(64).collect(),
        unit: metric.map_or("", |m| m.unit).to_owned(),
        help: metric.map_or("", |m| m.help).to_owned(),
        tier: grid.tier,
        step_s: grid.step_s,
        from: grid.from_s,
        to: grid.to_s,
        series: Vec::new(),
        reason: Some(reason),
    }
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    match catalogue::nearest(&name).as_slice() {
        [] => format!("there is no metric `{name}`; GET /api/v1/monitor/metrics lists all"),
        near => format!("there is no metric `{name}`; did you mean {}?", near.join(", ")),
    }
}

fn never(ask: &Ask<'_>, is_new: bool) -> String {
    let Ask { host, name, .. } = ask;
    match is_new {
        true => {
            format!("no metrics of {host} have arrived yet; the first come within seconds of the start of its agent")
        }
        false => format!("{host} has never sent {name}: its kernel may not have it, or it has no such device"),
    }
}

fn why_empty(ask: &Ask<'_>, grid: Grid, hour_kept_s: i64, last: Option<Timestamp>) -> String {
    if ask.from > ask.now {
        return "the range lies in the future".to_owned();
    }
    if grid.to_s <= ask.now.as_second() - hour_kept_s {
        return format!("outside of retention: metrics are kept {} days", hour_kept_s / 86_400);
    }
    match last.filter(|last| last.as_second() < grid.from_s) {
        Some(last) => format!("{} has been silent since {last}", ask.host),
        None => format!("{} sent no {} in this range", ask.host, ask.name),
    }
}

/// Puts the points into the steps; nothing if there are none.
fn shown(key: &SeriesKey, points: &Points, grid: Grid, now_s: i64) -> Option<Series> {
    let steps = ((grid.to_s - grid.from_s) / grid.step_s).clamp(0, POINTS_MAX + 1) as usize;
    let mut series: Vec<Option<Summary>> = vec![None; steps];
    for (at_s, value) in points.iter().filter(|(at_s, _)| *at_s >= grid.from_s) {
        if let Some(slot) = series.get_mut(((at_s - grid.from_s) / grid.step_s) as usize) {
            *slot = Some(slot.map_or(*value, |before| before.with(*value)));
        }
    }
    if series.iter().all(Option::is_none) {
        return None;
    }
    // the frame of a step that has just ended may be on its way: that is no gap
    let certain = steps.min(((now_s - grid.from_s) / grid.step_s - 1).max(0) as usize);
    while series.len() > certain && series.last() == Some(&None) {
        series.pop();
    }
    let times = (0..).map(|n| grid.from_s + n * grid.step_s);
    let band = |of: fn(&Summary) -> f64| grid.is_band.then(|| series.iter().map(|s| s.as_ref().map(of)).collect());
    Some(Series {
        labels: key.labels(),
        points: times.zip(&series).map(|(at, s)| Point(at, s.map(|s| s.avg))).collect(),
        min: band(|s| s.min),
        max: band(|s| s.max),
    })
}
