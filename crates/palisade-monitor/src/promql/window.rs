//! Functions of a range of samples. The windows are closed at both ends, and the extrapolation is that
//! of Prometheus 2.42, so that the same query gives the same number.

use super::value::Point;

/// A range of samples of one series, never empty.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Rising.
    pub points: &'a [Point],
    /// The beginning of the range.
    pub from_ms: i64,
    /// Its end.
    pub to_ms: i64,
    /// The moment that is evaluated: `to_ms` unless there is an offset.
    pub now_ms: i64,
    /// The argument that is a number, for those that take one.
    pub argument: f64,
}

/// A function of a window; `None` if it has too few samples.
pub type Over = fn(&Window<'_>) -> Option<f64>;

/// The function of this name.
pub fn over(name: &str) -> Option<Over> {
    Some(match name {
        "rate" => |w| extrapolated(w, true).map(|by| by / w.range_s()),
        "increase" => |w| extrapolated(w, true),
        "delta" => |w| extrapolated(w, false),
        "irate" => |w| newest_step(w, true),
        "idelta" => |w| newest_step(w, false),
        "deriv" => |w| line(w, w.points[0].0).map(|(slope, _)| slope),
        "predict_linear" => |w| line(w, w.now_ms).map(|(slope, here)| slope * w.argument + here),
        "changes" => |w| Some(w.pairs(|a, b| a != b && !(a.is_nan() && b.is_nan()))),
        "resets" => |w| Some(w.pairs(|a, b| b < a)),
        "sum_over_time" => |w| Some(sum(w.values())),
        "avg_over_time" => |w| Some(sum(w.values()) / w.points.len() as f64),
        "count_over_time" => |w| Some(w.points.len() as f64),
        "min_over_time" => |w| w.values().reduce(|a, b| if b < a || a.is_nan() { b } else { a }),
        "max_over_time" => |w| w.values().reduce(|a, b| if b > a || a.is_nan() { b } else { a }),
        "last_over_time" => |w| w.points.last().map(|(_, value)| *value),
        "present_over_time" => |_| Some(1.0),
        "stddev_over_time" => |w| Some(variance(w.values()).sqrt()),
        "stdvar_over_time" => |w| Some(variance(w.values())),
        "quantile_over_time" => |w| Some(quantile(w.argument, w.values().collect())),
        _ => return None,
    })
}

impl Window<'_> {
    fn range_s(&self) -> f64 {
        (self.to_ms - self.from_ms) as f64 / 1_000.0
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, value)| *value)
    }

    /// How many neighbours are like that.
    fn pairs(&self, is: impl Fn(f64, f64) -> bool) -> f64 {
        self.points.windows(2).filter(|pair| is(pair[0].1, pair[1].1)).count() as f64
    }
}

/// What a value grew by over the whole range, as if it had gone on to both ends as it was seen to go:
/// up to there if a sample is near the end, else by half of the mean distance. A counter that falls
/// began anew, and none was ever less than zero.
fn extrapolated(w: &Window<'_>, is_counter: bool) -> Option<f64> {
    let (&(first_ms, first), &(last_ms, last)) = (w.points.first()?, w.points.last()?);
    if w.points.len() < 2 {
        return None;
    }
    let restarts = w.points.windows(2).filter(|pair| is_counter && pair[1].1 < pair[0].1);
    let grown = restarts.fold(last - first, |sum, pair| sum + pair[0].1);
    let seconds = |ms: i64| ms as f64 / 1_000.0;
    let seen_s = seconds(last_ms - first_ms);
    let mean_s = seen_s / (w.points.len() - 1) as f64;
    let (mut before_s, after_s) = (seconds(first_ms - w.from_ms), seconds(w.to_ms - last_ms));
    if is_counter && grown > 0.0 && first >= 0.0 {
        before_s = before_s.min(seen_s * (first / grown));
    }
    let reached = |gap_s: f64| if gap_s < mean_s * 1.1 { gap_s } else { mean_s / 2.0 };
    Some(grown * ((seen_s + reached(before_s) + reached(after_s)) / seen_s))
}

/// The step between the newest two samples; of a counter, by the second.
fn newest_step(w: &Window<'_>, is_counter: bool) -> Option<f64> {
    let [.., (before_ms, before), (last_ms, last)] = w.points else { return None };
    let step = if is_counter && last < before { *last } else { last - before };
    let passed_s = (last_ms - before_ms) as f64 / 1_000.0;
    Some(if is_counter { step / passed_s } else { step })
}

/// The line through the samples by least squares: slope per second, and height at `here_ms`.
fn line(w: &Window<'_>, here_ms: i64) -> Option<(f64, f64)> {
    let first = w.points.first()?.1;
    if w.points.len() < 2 {
        return None;
    }
    if w.values().all(|value| value == first) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let n = w.points.len() as f64;
    let xs = || w.points.iter().map(|(at_ms, _)| (at_ms - here_ms) as f64 / 1_000.0);
    let (x, y) = (sum(xs()), sum(w.values()));
    let covariance = sum(xs().zip(w.values()).map(|(x, y)| x * y)) - x * y / n;
    let slope = covariance / (sum(xs().map(|x| x * x)) - x * x / n);
    Some((slope, y / n - slope * x / n))
}

/// The sum, with what each addition loses carried along (Neumaier).
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        if next.is_finite() {
            lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        }
        sum = next;
    }
    sum + lost
}

/// The mean square of the distance from the mean (Welford).
pub fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let distance = value - mean;
        mean += distance / count;
        squares += distance * (value - mean);
    }
    squares / count
}

/// The value that a share `q` of the values lies below, between neighbours in proportion.
pub fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // no number comes before all numbers
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
    let rank = q * (values.len() - 1) as f64;
    let (lower, weight) = (rank.floor() as usize, rank.fract());
    let upper = (lower + 1).min(values.len() - 1);
    values[lower] * (1.0 - weight) + values[upper] * weight
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn window<'a>(points: &'a [Point], from_ms: i64, to_ms: i64) -> Window<'a> {
        Window { points, from_ms, to_ms, now_ms: to_ms, argument: 0.0 }
    }

    fn points(values: &[u32], step_ms: i64) -> Vec<Point> {
        (0..).zip(values).map(|(n, value)| (n * step_ms, f64::from(*value))).collect()
    }

    proptest! {
        #[test]
        fn a_counter_never_grows_by_less_than_it_was_seen_to(steps in prop::collection::vec(0u32..1_000, 2..40), restarts in prop::collection::vec(any::<bool>(), 40)) {
            let (mut total, mut seen, mut values) = (500.0, 0.0, vec![(0, 500.0)]);
            for (n, step) in (1..).zip(&steps) {
                let step = f64::from(*step);
                if restarts[n as usize - 1] { total = 0.0; }
                // after a restart the counter counts from zero; a fall is seen only if it ends below
                let before: f64 = values.last().unwrap().1;
                total += step;
                seen += if total < before { total } else { total - before };
                values.push((n * 60_000, total));
            }
            let to_ms = values.last().unwrap().0;
            let grown = over("increase").unwrap()(&window(&values, 0, to_ms)).unwrap();
            prop_assert!((grown - seen).abs() <= 1e-9 * seen.max(1.0), "{grown} {seen}");
        }

        #[test]
        fn the_rate_of_a_steady_counter_is_its_slope_wherever_the_range_begins(slope in 1u32..1_000, early_ms in 0i64..60_000, late_ms in 0i64..60_000) {
            let values: Vec<u32> = (0..30).map(|n| 1_000_000 + n * slope * 60).collect();
            let points = points(&values, 60_000);
            let w = window(&points, -early_ms, 29 * 60_000 + late_ms);
            let rate = over("rate").unwrap()(&w).unwrap();
            prop_assert!((rate - f64::from(slope)).abs() < 1e-6 * f64::from(slope), "{rate} {slope}");
        }

        #[test]
        fn a_quantile_lies_between_the_least_and_the_greatest(values in prop::collection::vec(-1e6f64..1e6, 1..50), q in 0.0f64..=1.0) {
            let (least, greatest) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            let found = quantile(q, values);
            prop_assert!((least - 1e-6..=greatest + 1e-6).contains(&found));
        }
    }

    #[test]
    fn one_sample_has_no_rate() {
        let one = points(&[5], 60_000);
        for name in ["rate", "increase", "delta", "irate", "idelta", "deriv", "predict_linear"] {
            assert_eq!(over(name).unwrap()(&window(&one, -300_000, 0)), None, "{name}");
        }
    }
}
