//! `palisade monitor top HOST`.

use crate::cli::{Verb, say_reason, shown};
use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use palisade_core::{HostId, Span, Timestamp};
use palisade_guard::cli::{CliContext, Output, cell};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The verbs.
pub const VERBS: &[Verb] = &[Verb { command: top, run }];

fn top() -> Command {
    Command::new("top")
        .about("The processes that use the most CPU time, memory and disks, now or in a minute of the last 15 days")
        .arg(Arg::new("host").value_name("HOST").value_parser(clap::value_parser!(HostId)).required(true))
        .arg(
            Arg::new("at")
                .long("at")
                .value_name("TIME")
                .value_parser(moment)
                .help("That minute: 2026-11-22T12:00:00Z, or how long ago, such as 15m"),
        )
        .arg(
            Arg::new("by")
                .long("by")
                .value_name("LIST")
                .value_parser(["cpu", "memory", "io"])
                .help("Only this list, the most first"),
        )
}

/// Unix seconds.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(ago) = text.parse::<Span>() {
        return Ok(Timestamp::now().as_second().saturating_sub_unsigned(ago.as_secs()));
    }
    text.parse::<Timestamp>().map(|at| at.as_second()).map_err(|e| e.to_string())
}

fn run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        let host = matches.get_one::<HostId>("host").context("which host?")?;
        let at = matches.get_one::<i64>("at").map(|at_s| format!("&at={at_s}")).unwrap_or_default();
        let answer = context.client.call("GET", &format!("/api/v1/monitor/processes?host={host}{at}"), None).await?;
        let by = matches.get_one::<String>("by").map(|list| format!("by_{list}"));
        let printed = match by {
            Some(list) if context.output != Output::Json => json!({ "items": listed(&answer, &list) }),
            _ => answer.clone(),
        };
        context.print(&printed, &["pid", "user", "cpu", "memory", "io", "unit", "command"], row);
        say_reason(&answer, &context);
        Ok(ExitCode::SUCCESS)
    })
}

/// The processes of one list, in its order.
fn listed(answer: &Value, list: &str) -> Vec<Value> {
    let all = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let items = all("items");
    all(list).iter().filter_map(|pid| items.iter().find(|item| item["pid"] == *pid).cloned()).collect()
}

fn row(process: &Value) -> Vec<String> {
    let has_arguments = process["cmdline"].is_string();
    let place = if process["container"].is_string() { "container" } else { "unit" };
    vec![
        cell(process, "pid"),
        cell(process, "user"),
        shown(process["cpu"].as_f64(), "ratio"),
        shown(process["rss_bytes"].as_f64(), "bytes"),
        shown(process["io_bytes_rate"].as_f64(), "bytes/s"),
        cell(process, place),
        if has_arguments { cell(process, "cmdline") } else { format!("[{}]", cell(process, "name")) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_its_own_order() {
        let answer = json!({ "items": [{ "pid": 1 }, { "pid": 2 }, { "pid": 3 }], "by_io": [3, 1, 9] });
        assert_eq!(listed(&answer, "by_io"), [json!({ "pid": 3 }), json!({ "pid": 1 })]);
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("2026-11-22T12:00:00Z"), Ok(1_795_348_800));
        let ago = moment("15m").expect("a span");
        assert!((895..=905).contains(&(Timestamp::now().as_second() - ago)));
        assert!(moment("noon").is_err());
    }
}
