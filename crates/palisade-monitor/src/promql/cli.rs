//! `palisade monitor query …`.

use crate::cli::Verb;
use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use palisade_core::Span;
use palisade_guard::cli::{CliContext, Output, query, table};
use palisade_guard::contract::BoxFuture;
use serde_json::Value;
use std::process::ExitCode;

/// Points of a line that is drawn in a terminal.
const SPARK_POINTS: i64 = 40;
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The verbs.
pub const VERBS: &[Verb] = &[Verb { command, run }];

fn command() -> Command {
    let span = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("TIME").value_parser(clap::value_parser!(Span)).help(help)
    };
    Command::new("query")
        .about("What an expression in PromQL is worth now, or over time")
        .arg(Arg::new("expr").value_name("EXPR").required(true).help("Such as 'avg by (host) (cpu_usage_ratio)'"))
        .arg(span("since", "How far back, such as 15m, 6h, 7d; without it, one moment"))
        .arg(span("step", "Time between two points; without it, so that about 40 are shown").requires("since"))
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("TIME")
                .help("The moment, or the end of the range: RFC 3339 or Unix seconds; now if absent"),
        )
}

fn run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        let path = path(&matches, jiff::Timestamp::now().as_second())?;
        let answer = context.client.call("GET", &path, None).await?;
        if context.output == Output::Json {
            println!("{answer:#}");
            return Ok(ExitCode::SUCCESS);
        }
        print!("{}", shown(&answer["data"]));
        let warnings = list(&answer["warnings"]);
        if warnings.is_empty() && answer["data"]["result"].as_array().is_some_and(Vec::is_empty) {
            println!("no series has a value there");
        }
        for warning in warnings {
            println!("{}", palisade_guard::cli::printable(warning.as_str().unwrap_or_default()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn path(matches: &ArgMatches, now_s: i64) -> anyhow::Result<String> {
    const BASE: &str = "/api/v1/monitor/prometheus/api/v1";
    let expr = matches.get_one::<String>("expr").context("which expression?")?;
    let at = matches.get_one::<String>("at");
    let Some(since) = matches.get_one::<Span>("since") else {
        return Ok(query(&format!("{BASE}/query"), &[("query", Some(expr)), ("time", at.map(String::as_str))]));
    };
    let end_s = match at {
        Some(text) => match text.parse::<i64>() {
            Ok(seconds) => seconds,
            Err(_) => text.parse::<jiff::Timestamp>().context("`--at` is no time")?.as_second(),
        },
        None => now_s,
    };
    let since_s = i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 2);
    let step_s = matches.get_one::<Span>("step").map_or((since_s / SPARK_POINTS).max(1), |step| step.as_secs() as i64);
    let (start, end, step) = (end_s.saturating_sub(since_s).to_string(), end_s.to_string(), step_s.to_string());
    let params = [("query", Some(expr.as_str())), ("start", Some(&start)), ("end", Some(&end)), ("step", Some(&step))];
    Ok(query(&format!("{BASE}/query_range"), &params))
}

/// The result as people read it.
fn shown(data: &Value) -> String {
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("matrix") => {
            let rows = list(result).iter().map(range_row).collect::<Vec<_>>();
            table(&["series", "least", "mean", "greatest", "last", "course"], rows)
        }
        Some("vector") => {
            let rows = list(result).iter().map(|row| vec![name(&row["metric"]), text(&row["value"][1])]);
            table(&["series", "value"], rows.collect::<Vec<_>>())
        }
        _ => format!("{}\n", palisade_guard::cli::printable(&text(&result[1]))),
    }
}

fn range_row(row: &Value) -> Vec<String> {
    let values: Vec<f64> = list(&row["values"]).iter().filter_map(|point| text(&point[1]).parse().ok()).collect();
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (least, greatest) = (finite().reduce(f64::min), finite().reduce(f64::max));
    let mean = finite().sum::<f64>() / finite().count() as f64;
    let course: String = values.iter().map(|value| spark(*value, least, greatest)).collect();
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
    vec![
        name(&row["metric"]),
        figure(least),
        figure(least.map(|_| mean)),
        figure(greatest),
        figure(values.last().copied()),
        course,
    ]
}

fn spark(value: f64, least: Option<f64>, greatest: Option<f64>) -> char {
    let (Some(least), Some(greatest), true) = (least, greatest, value.is_finite()) else { return ' ' };
    let share = if greatest > least { (value - least) / (greatest - least) } else { 0.0 };
    SPARKS[((share * 7.0).round() as usize).min(7)]
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.4}") }
}

/// A series as PromQL writes it.
fn name(metric: &Value) -> String {
    let labels: Vec<String> = metric
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    let name = metric["__name__"].as_str().unwrap_or_default();
    if labels.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vector_is_a_table_and_a_range_a_line_of_its_course() {
        let vector = json!({ "resultType": "vector", "result": [{ "metric": { "__name__": "load1", "host": "a" }, "value": [1, "0.5"] }] });
        assert_eq!(shown(&vector), "SERIES           VALUE\nload1{host=\"a\"}  0.5\n");
        let matrix =
            json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": [[1, "0"], [2, "7"], [3, "NaN"]] }] });
        let line = shown(&matrix).lines().nth(1).map(str::to_owned).unwrap_or_default();
        assert!(line.starts_with("{}") && line.ends_with("▁█"), "{line}");
        assert_eq!(shown(&json!({ "resultType": "scalar", "result": [1, "2"] })), "2\n");
    }
}
