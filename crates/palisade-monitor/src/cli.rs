//! `palisade monitor …`.

use crate::model::{Frame, SeriesKey, TopProcess};
use crate::{catalogue, difference};
use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use palisade_core::{HostId, Span};
use palisade_guard::cli::{CliContext, Output, cell, table};
use palisade_guard::contract::BoxFuture;
use palisade_sys::sample::{Hardware, Sample, Sampler};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The interval of `monitor sample`.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// A terminal shows no more rows of a series by itself.
const POINTS_SHOWN: i64 = 60;

/// A verb of the noun.
pub struct Verb {
    /// Its name and arguments.
    pub command: fn() -> Command,
    /// Runs it.
    pub run: fn(ArgMatches, CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>>,
}

fn verbs() -> impl Iterator<Item = &'static Verb> {
    use crate::{alarm, notify, probe, process, promql};
    [process::cli::VERBS, promql::cli::VERBS, alarm::cli::VERBS, notify::cli::VERBS, probe::cli::VERBS]
        .into_iter()
        .flatten()
}

/// The noun and its verbs.
pub fn command() -> Command {
    own().subcommands(verbs().map(|verb| (verb.command)()))
}

fn own() -> Command {
    let host = || Arg::new("host").value_name("HOST").value_parser(clap::value_parser!(HostId)).required(true);
    Command::new("monitor")
        .about("How hosts run: metrics and processes")
        .subcommand_required(true)
        .subcommand(Command::new("sample").about("Samples this host now and prints every metric; needs no server"))
        .subcommand(
            Command::new("series")
                .about("One metric of a host over time")
                .arg(Arg::new("name").value_name("NAME").required(true).help("Such as cpu_usage_ratio"))
                .arg(host().long("host").help("Of which host"))
                .arg(
                    Arg::new("since")
                        .long("since")
                        .value_name("TIME")
                        .value_parser(clap::value_parser!(Span))
                        .default_value("1h")
                        .help("How far back, such as 15m, 1h, 7d"),
                )
                .arg(
                    Arg::new("step")
                        .long("step")
                        .value_name("TIME")
                        .value_parser(clap::value_parser!(Span))
                        .help("Time between two points; without it, so that about 60 are printed"),
                ),
        )
}

/// Runs it.
pub fn run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("sample", _)) => sample(&context).await?,
            Some(("series", sub)) => series(sub, &context).await?,
            Some((name, sub)) => {
                let verb = verbs().find(|verb| (verb.command)().get_name() == name).context("say what")?;
                return (verb.run)(sub.clone(), context).await;
            }
            None => bail!("say what"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn sample(context: &CliContext) -> anyhow::Result<()> {
    // reading the host blocks: not on a thread that serves others
    let frame = tokio::task::spawn_blocking(sample_now).await.context("sampling")??;
    if context.output == Output::Json {
        println!("{:#}", serde_json::to_value(&frame)?);
        return Ok(());
    }
    let rows = frame.metrics.iter().map(|(key, value)| {
        let unit = SeriesKey::parse(key).and_then(|k| catalogue::metric(&k.name)).map_or("", |m| m.unit);
        vec![key.clone(), shown(Some(*value), unit)]
    });
    print!("{}", table(&["metric", "value"], rows));
    let process = |p: &TopProcess| {
        let command = p.cmdline.clone().unwrap_or_else(|| format!("[{}]", p.name));
        let user = p.user.clone().unwrap_or_else(|| "–".to_owned());
        vec![p.pid.to_string(), user, shown(p.cpu, "ratio"), shown(Some(p.rss_bytes as f64), "bytes"), command]
    };
    println!();
    let others = frame.by_memory.iter().filter(|p| frame.by_cpu.iter().all(|q| q.pid != p.pid));
    print!("{}", table(&["pid", "user", "cpu", "memory", "command"], frame.by_cpu.iter().chain(others).map(process)));
    for missing in &frame.missing {
        println!("not measured: {missing}");
    }
    Ok(())
}

/// Two samples of this host, and the values between them.
fn sample_now() -> anyhow::Result<Frame> {
    let mut sampler = Sampler::live()?;
    let (mut before, mut after) = (Sample::default(), Sample::default());
    sampler.take_system(&mut before);
    sampler.take_processes(&mut before);
    std::thread::sleep(SAMPLE_INTERVAL);
    sampler.take_system(&mut after);
    sampler.take_processes(&mut after);
    after.hardware = Arc::new(Hardware::look(Path::new("/")));
    Ok(difference::frame(&before, &after, &mut |process| sampler.detail(process)))
}

async fn series(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let name = matches.get_one::<String>("name").context("which metric?")?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        bail!("`{}` is no name of a metric", name.escape_default());
    }
    let host = matches.get_one::<HostId>("host").context("which host?")?;
    let since_s = matches.get_one::<Span>("since").map_or(3_600, |span| span.as_secs()) as i64;
    let step_s = matches.get_one::<Span>("step").map_or((since_s / POINTS_SHOWN).max(60), |span| span.as_secs() as i64);
    let from_s = jiff::Timestamp::now().as_second() - since_s;
    let path = format!("/api/v1/monitor/series?host={host}&name={name}&from={from_s}&step={step_s}");
    let answer = context.client.call("GET", &path, None).await?;
    let unit = answer["unit"].as_str().unwrap_or_default().to_owned();
    let printed = if context.output == Output::Json { answer.clone() } else { json!({ "items": points(&answer) }) };
    context.print(&printed, &["time", "series", "value"], |row| {
        vec![cell(row, "time"), cell(row, "series"), shown(row["value"].as_f64(), &unit)]
    });
    say_reason(&answer, context);
    Ok(())
}

/// One row per point.
fn points(answer: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let rows = list(&answer["series"]).into_iter().flat_map(|series| {
        let labels: Vec<_> = series["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, v)| v.as_str().unwrap_or_default().to_owned())
            .collect();
        let series_name = if labels.is_empty() { Value::Null } else { json!(labels.join(" ")) };
        list(&series["points"]).into_iter().map(move |point| {
            let time = point[0].as_i64().and_then(|s| jiff::Timestamp::from_second(s).ok()).map(|t| t.to_string());
            json!({ "time": time, "series": series_name, "value": point[1] })
        })
    });
    rows.collect()
}

/// Says why an answer is empty, if it is.
pub(crate) fn say_reason(answer: &Value, context: &CliContext) {
    if context.output == Output::Table
        && let Some(reason) = answer["reason"].as_str()
    {
        println!("{}", palisade_guard::cli::printable(reason));
    }
}

/// A value as people read it.
pub(crate) fn shown(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match unit {
        "ratio" => format!("{:.1} %", value * 100.0),
        "bytes" => amount(value, "B"),
        "bytes/s" => amount(value, "B/s"),
        "celsius" => format!("{value:.0} °C"),
        "watts" => format!("{value:.0} W"),
        "hertz" => format!("{:.0} MHz", value / 1e6),
        "seconds" if value >= 1.0 => format!("{value:.0} s"),
        "seconds" => format!("{:.2} ms", value * 1_000.0),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn amount(value: f64, unit: &str) -> String {
    let prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let power = if value < 1.0 { 0 } else { (value.log2() / 10.0) as usize }.min(prefixes.len() - 1);
    let scaled = value / 1024_f64.powi(power as i32);
    if power == 0 { format!("{scaled:.0} {unit}") } else { format!("{scaled:.1} {}{unit}", prefixes[power]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_in_their_unit() {
        let cases = [
            (0.123, "ratio", "12.3 %"),
            (1536.0, "bytes", "1.5 KiB"),
            (12.0, "bytes/s", "12 B/s"),
            (0.0042, "seconds", "4.20 ms"),
            (4.0, "count", "4"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(shown(Some(value), unit), expected);
        }
    }
}
