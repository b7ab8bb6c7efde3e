//! `palisade firewall status|isolate|release`: one host, with the server or without it.

use super::group::{probation_said, segment};
use super::{change, given, list};
use anyhow::Result;
use palisade_core::{HostId, Span};
use palisade_guard::cli::{CliContext, Output, cell, printable, query};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub struct IsolateArgs {
    /// The host
    host: HostId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long, such as 4h; until it is released if absent
    #[arg(long = "for", value_name = "SPAN")]
    length: Option<Span>,
    /// Undo it by itself after this time unless it is confirmed; 60s if absent
    #[arg(long, value_name = "SPAN")]
    probation: Option<Span>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The host
    host: HostId,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The host; with --local this one
    host: Option<HostId>,
}

pub async fn isolate(args: IsolateArgs, context: &CliContext) -> Result<()> {
    let path = format!("/api/v1/firewall/hosts/{}/isolate", segment(args.host.as_str()));
    let body =
        json!({ "reason": args.reason, "for": args.length, "probation": args.probation, "dry_run": args.dry_run });
    change(context, "POST", &path, Some(given(body))).await
}

pub async fn release(args: ReleaseArgs, context: &CliContext) -> Result<()> {
    let path = format!("/api/v1/firewall/hosts/{}/release", segment(args.host.as_str()));
    change(context, "POST", &path, Some(json!({ "dry_run": args.dry_run }))).await
}

pub async fn isolated(context: &CliContext) -> Result<()> {
    let fields = ["host", "since", "ends_at", "by", "plan", "reason"];
    list(context, "/api/v1/firewall/isolated", &["host", "since", "ends", "by", "plan", "reason"], &fields).await
}

/// What is in force on a host, in a few lines.
pub async fn status(args: StatusArgs, context: &CliContext) -> Result<()> {
    let client = &context.client;
    let path = query("/api/v1/firewall/effective", &[("host", args.host.as_ref().map(HostId::as_str))]);
    let effective = client.call("GET", &path, None).await?;
    let isolated = client.call("GET", "/api/v1/firewall/isolated", None).await?;
    let bans = client.call("GET", "/api/v1/firewall/bans?limit=1", None).await?;
    let host = effective["host"].clone();
    let cut_off = isolated["items"].as_array().into_iter().flatten().find(|item| item["host"] == host).cloned();
    if context.output == Output::Json {
        println!("{:#}", json!({ "effective": effective, "isolated": cut_off, "bans": bans["total"] }));
    } else {
        print!("{}", status_said(&effective, cut_off.as_ref(), &bans["total"]));
    }
    Ok(())
}

fn status_said(effective: &Value, cut_off: Option<&Value>, bans: &Value) -> String {
    let rules = effective["rules"].as_array().map_or(0, Vec::len);
    let mut lines = vec![format!("{}: {}", cell(effective, "host"), cell(effective, "sentence"))];
    lines.extend(effective["generation"].as_u64().map(|n| format!("generation: {n}")));
    lines.push(format!("rules: {rules}"));
    lines.extend(probation_said(&effective["probation"]));
    lines.extend(cut_off.map(|item| {
        let end = item["ends_at"].as_str().map_or("until it is released".to_owned(), |end| format!("until {end}"));
        format!("cut off {end} by {}: {}", cell(item, "by"), cell(item, "reason"))
    }));
    lines.push(format!("bans: {bans}"));
    lines.iter().map(|line| printable(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_how_to_keep_what_is_on_probation_and_who_cut_the_host_off() {
        let effective = json!({ "host": "web-1", "sentence": "cut off from everything but the failsafe addresses",
            "generation": 8, "rules": [{}, {}], "probation": { "plan": "l-9", "until": "2026-11-22T12:01:00Z" } });
        let cut_off =
            json!({ "host": "web-1", "by": "ada", "reason": "odd traffic", "ends_at": "2026-11-22T16:00:00Z" });
        let expected = "\
web-1: cut off from everything but the failsafe addresses
generation: 8
rules: 2
on probation until 2026-11-22T12:01:00Z: `palisade plan confirm l-9` keeps it, `palisade plan rollback l-9` undoes it
cut off until 2026-11-22T16:00:00Z by ada: odd traffic
bans: 3
";
        assert_eq!(status_said(&effective, Some(&cut_off), &json!(3)), expected);
    }
}
