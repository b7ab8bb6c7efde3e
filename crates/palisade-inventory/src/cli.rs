//! `palisade inventory`: lists and changes, as the API answers them.

use crate::difference::SectionName;
use clap::{Args, FromArgMatches, Parser, Subcommand};
use palisade_guard::cli::{CliContext, GuardCommand, cell};
use palisade_guard::contract::BoxFuture;
use serde_json::Value;
use std::process::ExitCode;

/// The noun on the command line.
pub const COMMAND: GuardCommand = GuardCommand { command, run };

/// What is on the hosts: accounts, ports, processes, packages, modules, autostart, web roots
#[derive(Debug, Parser)]
#[command(name = "inventory")]
struct Inventory {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the assets of one kind
    List {
        /// The kind of asset
        section: SectionName,
        #[command(flatten)]
        which: Which,
    },
    /// Show what was added, removed or changed, the newest first
    Changes {
        /// One kind of asset only
        #[arg(long)]
        section: Option<SectionName>,
        /// From when on: a moment (2026-11-22T12:00:00Z) or a length of time before now (24h)
        #[arg(long, default_value = "7d")]
        since: String,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// One host only
    #[arg(long)]
    host: Option<String>,
    /// Words that must all occur, without regard to case
    #[arg(long, short)]
    query: Option<String>,
    /// At most this many, 1 to 1000
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
}

fn command() -> clap::Command {
    <Inventory as clap::CommandFactory>::command()
}

fn run(matches: clap::ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match Inventory::from_arg_matches(&matches)?.verb {
            Verb::List { section, which } => list(&context, section, &which).await,
            Verb::Changes { section, since, which } => changes(&context, section, &since, &which).await,
        }
    })
}

async fn list(context: &CliContext, section: SectionName, which: &Which) -> anyhow::Result<ExitCode> {
    let path = format!("/api/v1/inventory/{}?{}", section.as_str(), query(which, &[]));
    let answer = context.client.call("GET", &path, None).await?;
    let columns = columns(section);
    context.print(&answer, columns, |row| columns.iter().map(|field| cell(row, field)).collect());
    said(&answer);
    Ok(ExitCode::SUCCESS)
}

async fn changes(
    context: &CliContext,
    section: Option<SectionName>,
    since: &str,
    which: &Which,
) -> anyhow::Result<ExitCode> {
    let more = [("since", Some(since)), ("section", section.map(SectionName::as_str))];
    let path = format!("/api/v1/inventory/changes?{}", query(which, &more));
    let answer = context.client.call("GET", &path, None).await?;
    let columns = &["at", "host", "section", "kind", "key"];
    context.print(&answer, columns, |row| columns.iter().map(|field| cell(row, field)).collect());
    said(&answer);
    Ok(ExitCode::SUCCESS)
}

/// What the table cannot show goes to standard error: why it is empty or not complete.
fn said(answer: &Value) {
    let notes = answer["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let reason = answer["reason"].as_str();
    for line in reason.into_iter().chain(notes.filter(|note| Some(*note) != reason)) {
        eprintln!("{}", palisade_guard::cli::printable(line));
    }
    if let (Some(total), Some(_)) = (answer["total"].as_u64(), answer["next_cursor"].as_str()) {
        eprintln!("there are {total} in all; narrow the list with --host or --query");
    }
}

/// The columns of the table; `--output json` has all fields.
fn columns(section: SectionName) -> &'static [&'static str] {
    match section {
        SectionName::Accounts => &["host", "name", "uid", "shell", "can_log_in", "sudo", "password", "last_change"],
        SectionName::Ports => &["host", "protocol", "address", "port", "process", "pid", "user", "package", "unit"],
        SectionName::Processes => &["host", "pid", "ppid", "user", "name", "exe", "package", "unit", "started_at"],
        SectionName::Packages => &["host", "name", "version", "arch", "manager"],
        SectionName::Modules => &["host", "name", "size", "used_by", "taint"],
        SectionName::Autostart => &["host", "kind", "name", "enabled", "package", "command", "path"],
        SectionName::Webroots => &["host", "path", "server", "config"],
    }
}

fn query(which: &Which, more: &[(&str, Option<&str>)]) -> String {
    let limit = which.limit.to_string();
    let own = [("host", which.host.as_deref()), ("q", which.query.as_deref()), ("limit", Some(limit.as_str()))];
    let pairs = own.iter().chain(more).filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encoded (RFC 3986): everything but unreserved characters.
fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_query_is_encoded_and_leaves_out_what_is_absent() {
        let which = Which { host: Some("web-1".to_owned()), query: Some("a b&é".to_owned()), limit: 5 };
        assert_eq!(
            query(&which, &[("since", Some("24h")), ("section", None)]),
            "host=web-1&q=a%20b%26%C3%A9&limit=5&since=24h"
        );
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
        assert!(command().try_get_matches_from(["inventory", "list", "ports", "--host", "web-1"]).is_ok());
        assert!(command().try_get_matches_from(["inventory", "list", "everything"]).is_err());
    }
}
