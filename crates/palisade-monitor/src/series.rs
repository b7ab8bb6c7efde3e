//! A series of one metric over a range: which tier answers, in which steps, where the gaps are,
//! and why there is nothing if there is nothing.

use crate::catalogue::{self, Metric};
use crate::model::SeriesKey;
use crate::pack::Summary;
use crate::store::{self, Dictionary, Tier};
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most points of one series in an answer.
pub const POINTS_MAX: i64 = 2_000;
/// The most rows that one answer reads.
const ROWS_MAX: i64 = 10_000;
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
}

/// The finest tier that still has the beginning of the range and reads few enough rows, and steps
/// that make few enough points. Seconds only if `has_seconds`: there are none unless somebody
/// looked on.
pub fn grid(from_s: i64, to_s: i64, step_s: Option<i64>, now_s: i64, has_seconds: bool) -> Grid {
    let span_s = (to_s - from_s).max(1);
    let answers = |tier: &Tier| {
        let kept = from_s >= now_s - tier.kept_s();
        let few = span_s / tier.step_s() <= ROWS_MAX;
        kept && few && (*tier != Tier::Second || has_seconds)
    };
    let tier = Tier::ALL.into_iter().find(answers).unwrap_or(Tier::Hour);
    let least = tier.step_s();
    // a step that does not divide the range touches one point more
    let needed = step_s.unwrap_or(least).max(least).max(span_s.div_euclid(POINTS_MAX - 1) + 1).min(span_s.max(least));
    let step_s = needed.div_euclid(least) * least + if needed % least == 0 { 0 } else { least };
    let from_s = from_s.div_euclid(step_s) * step_s;
    Grid { tier, step_s, from_s, to_s: from_s + (to_s - from_s + step_s - 1).div_euclid(step_s) * step_s }
}

/// Answers `ask`.
pub async fn series(db: &mut SqliteConnection, ask: &Ask<'_>) -> Result<SeriesAnswer, GuardError> {
    let (from_s, to_s, now_s) = (ask.from.as_second(), ask.to.as_second(), ask.now.as_second());
    let Some(metric) = catalogue::metric(ask.name) else {
        return Ok(empty(ask.name, None, grid(from_s, to_s, ask.step_s, now_s, false), unknown(ask.name)));
    };
    let has_seconds = has_seconds(db, ask).await?;
    let grid = grid(from_s, to_s, ask.step_s, now_s, has_seconds);
    let dictionary = Dictionary::read(db, ask.host).await?;
    let mut wanted = dictionary.of_metric(ask.name);
    wanted.truncate(SERIES_SHOWN_MAX);
    if wanted.is_empty() {
        let reason = if dictionary.is_empty() {
            format!(
                "no metrics of {} have arrived yet; the first come within seconds of the start of its agent",
                ask.host
            )
        } else {
            format!("{} has never sent {}: its kernel may not have it, or it has no such device", ask.host, ask.name)
        };
        return Ok(empty(ask.name, Some(metric), grid, reason));
    }
    let rows = store::rows(db, grid.tier, ask.host.as_str(), (grid.from_s, grid.to_s), ROWS_MAX * 2).await?;
    let mut answer = empty(ask.name, Some(metric), grid, String::new());
    answer.series = collect(&wanted, &rows, grid, now_s);
    answer.reason = match answer.series.is_empty() {
        true => Some(why_empty(db, ask, grid).await?),
        false => None,
    };
    Ok(answer)
}

/// True if steps of less than a minute are asked for and there are some, or if none are asked for
/// and seconds cover at least half of the range: a short look must not hide the minutes before it.
async fn has_seconds(db: &mut SqliteConnection, ask: &Ask<'_>) -> Result<bool, GuardError> {
    let (from_s, to_s) = (ask.from.as_second(), ask.to.min(ask.now).as_second());
    let needed = match ask.step_s {
        Some(step_s) if step_s < Tier::Minute.step_s() => 1,
        Some(_) => return Ok(false),
        None => ((to_s - from_s) / 2).max(1),
    };
    if needed > Tier::Second.kept_s() {
        return Ok(false);
    }
    let rows = store::rows(db, Tier::Second, ask.host.as_str(), (from_s, to_s), needed).await?;
    Ok(rows.len() as i64 == needed)
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

async fn why_empty(db: &mut SqliteConnection, ask: &Ask<'_>, grid: Grid) -> Result<String, GuardError> {
    let hour_kept_s = Tier::Hour.kept_s();
    if ask.from > ask.now {
        return Ok("the range lies in the future".to_owned());
    }
    if grid.to_s <= ask.now.as_second() - hour_kept_s {
        return Ok(format!("outside of retention: metrics are kept {} days", hour_kept_s / 86_400));
    }
    let last = store::latest_at(db, ask.host).await?;
    Ok(match last.filter(|last| last.as_second() < grid.from_s) {
        Some(last) => format!("{} has been silent since {last}", ask.host),
        None => format!("{} sent no {} in this range", ask.host, ask.name),
    })
}

/// Puts the rows into the steps. A series without any value in the range is left out.
fn collect(wanted: &[(u32, SeriesKey)], rows: &[(i64, Vec<u8>)], grid: Grid, now_s: i64) -> Vec<Series> {
    let steps = ((grid.to_s - grid.from_s) / grid.step_s).clamp(0, POINTS_MAX + 1) as usize;
    let mut found: BTreeMap<u32, Vec<Option<Summary>>> = wanted.iter().map(|(id, _)| (*id, Vec::new())).collect();
    for (at_s, body) in rows {
        let step = ((at_s - grid.from_s) / grid.step_s) as usize;
        let add = |id, value: Summary| {
            let Some(series) = found.get_mut(&id) else { return };
            if series.is_empty() {
                series.resize(steps, None);
            }
            if let Some(slot) = series.get_mut(step) {
                *slot = Some(slot.map_or(value, |before| before.with(value)));
            }
        };
        if grid.tier.unpack(body, add).is_err() {
            tracing::warn!(at = at_s, "stored metrics cannot be read; shown as a gap");
        }
    }
    // the frame of a step that has just ended may be on its way: that is no gap
    let certain = steps.min(((now_s - grid.from_s) / grid.step_s - 1).max(0) as usize);
    let is_summary = grid.step_s > Tier::Minute.step_s() || grid.step_s > grid.tier.step_s();
    let shown = wanted.iter().filter_map(|(id, key)| {
        let mut series = found.remove(id).filter(|series| !series.is_empty())?;
        while series.len() > certain && series.last() == Some(&None) {
            series.pop();
        }
        Some(shown(key, &series, grid, is_summary))
    });
    shown.collect()
}

fn shown(key: &SeriesKey, series: &[Option<Summary>], grid: Grid, is_summary: bool) -> Series {
    let times = (0..).map(|n| grid.from_s + n * grid.step_s);
    let band = |of: fn(&Summary) -> f64| is_summary.then(|| series.iter().map(|s| s.as_ref().map(of)).collect());
    Series {
        labels: key.labels(),
        points: times.zip(series).map(|(at, s)| Point(at, s.map(|s| s.avg))).collect(),
        min: band(|s| s.min),
        max: band(|s| s.max),
    }
}
