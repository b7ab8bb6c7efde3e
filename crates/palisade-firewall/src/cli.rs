//! `palisade firewall …`.

mod compile;
mod documents;
mod exposure;
mod group;
mod host;
mod import;
mod simulate;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use palisade_core::{Cidr, HostId, Span};
use palisade_guard::cli::{CliContext, GuardCommand, Output, cell, printable};
use palisade_guard::contract::BoxFuture;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The noun, for the frame.
pub const COMMAND: GuardCommand = GuardCommand { command: Firewall::command, run };

/// Security groups, bans, the address allow-list, and what can be reached
#[derive(Debug, Parser)]
#[command(name = "firewall")]
struct Firewall {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Debug, Subcommand)]
enum Noun {
    /// Security groups: who may reach which hosts, and whom those reach
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// All rules of one host
    #[command(subcommand)]
    Policy(group::PolicyVerb),
    /// What is in force on a host; with --local also without the server
    Status(host::StatusArgs),
    /// Cut a host off from everything but the failsafe addresses
    Isolate(host::IsolateArgs),
    /// Let a host that is cut off speak again
    Release(host::ReleaseArgs),
    /// Show which hosts are cut off
    Isolated,
    /// Print what a host would hold by files of documents, for `nft -f` or as JSON; asks no server
    Compile(compile::CompileArgs),
    /// Say what becomes of packets, and which rule decides; with -f by files, without a server
    Simulate(simulate::SimulateArgs),
    /// Addresses and networks that are shut out
    #[command(subcommand)]
    Ban(BanVerb),
    /// Addresses and networks that no ban cuts
    #[command(subcommand)]
    Allow(AllowVerb),
    /// What is open, to whom, and who serves it
    Exposure {
        /// Only this host
        #[arg(long, value_name = "HOST")]
        host: Option<HostId>,
        /// Only what is open to these
        #[arg(long, value_enum, value_name = "TO")]
        open: Option<exposure::OpenTo>,
    },
    /// What rules have decided about
    Hits {
        /// Only on this host
        #[arg(long, value_name = "HOST")]
        host: Option<HostId>,
        /// Only rules of this security group
        #[arg(long, value_name = "GROUP", value_parser = group_name)]
        group: Option<String>,
        /// Only rules that have decided about nothing
        #[arg(long)]
        unused: bool,
    },
    /// Packets that were denied, by who tried what
    Denied {
        /// Only on this host
        #[arg(long, value_name = "HOST")]
        host: Option<HostId>,
    },
}

#[derive(Debug, Subcommand)]
enum BanVerb {
    /// Shut an address or a network out
    Add {
        /// Address or network
        address: Cidr,
        /// How long, such as 12h; until it is removed if absent
        #[arg(long = "for", value_name = "SPAN")]
        length: Option<Span>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Undo it by itself after this time unless it is confirmed, such as 60s
        #[arg(long, value_name = "SPAN")]
        probation: Option<Span>,
        /// Only on this host; may be given several times
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<HostId>,
        /// Show the plan and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Shut many addresses out of every host
    Import {
        /// One address or network per line, with comments after #; - reads standard input
        file: PathBuf,
        /// How long, such as 12h; until they are removed if absent
        #[arg(long = "for", value_name = "SPAN")]
        length: Option<Span>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Show what would be done and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show who is shut out
    List,
    /// Let an address or a network in again
    Remove {
        /// Address or network, as it was banned
        address: Cidr,
        /// Show the plan and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
enum AllowVerb {
    /// Never shut an address or a network out
    Add {
        /// Address or network
        cidr: Cidr,
        /// How long, such as 30d; until it is removed if absent
        #[arg(long = "for", value_name = "SPAN")]
        length: Option<Span>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Show the plan and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show who is never shut out
    List,
    /// Take an address or a network off the list
    Remove {
        /// Address or network, as it was added
        cidr: Cidr,
        /// Show the plan and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

fn run(matches: clap::ArgMatches, context: CliContext) -> BoxFuture<'static, Result<ExitCode>> {
    Box::pin(async move {
        match Firewall::from_arg_matches(&matches)?.noun {
            Noun::Group(verb) => group::group(verb, &context).await?,
            Noun::Policy(verb) => group::policy(verb, &context).await?,
            Noun::Status(args) => host::status(args, &context).await?,
            Noun::Isolate(args) => host::isolate(args, &context).await?,
            Noun::Release(args) => host::release(args, &context).await?,
            Noun::Compile(args) => compile::run(&args, context.output)?,
            Noun::Simulate(args) => return simulate::simulate(args, &context).await,
            Noun::Isolated => host::isolated(&context).await?,
            Noun::Ban(verb) => ban(verb, &context).await?,
            Noun::Allow(verb) => allow(verb, &context).await?,
            Noun::Exposure { host, open } => exposure::exposure(host, open, &context).await?,
            Noun::Hits { host, group, unused } => hits(host, group, unused, &context).await?,
            Noun::Denied { host } => denied(host, &context).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

const BANS: &str = "/api/v1/firewall/bans";
const ALLOW: &str = "/api/v1/firewall/allow";

async fn ban(verb: BanVerb, context: &CliContext) -> Result<()> {
    match verb {
        BanVerb::Add { address, length, reason, probation, hosts, dry_run } => {
            let hosts = (!hosts.is_empty()).then_some(hosts);
            let body = json!({ "address": address, "for": length, "reason": reason, "probation": probation, "hosts": hosts, "dry_run": dry_run });
            change(context, "POST", BANS, Some(given(body))).await
        }
        BanVerb::Import { file, length, reason, dry_run } => {
            let bans = import::read(&file)?;
            let body = json!({ "bans": bans, "for": length, "reason": reason, "dry_run": dry_run });
            let answer = context.client.call("POST", "/api/v1/firewall/bans/import", Some(given(body))).await?;
            match context.output {
                Output::Json => println!("{answer:#}"),
                Output::Table => print!("{}", import::said(&answer, dry_run)),
            }
            Ok(())
        }
        BanVerb::Remove { address, dry_run } => change(context, "DELETE", &removal(BANS, address, dry_run), None).await,
        BanVerb::List => {
            let columns = ["address", "hosts", "since", "ends", "probation", "by", "plan", "reason"];
            let fields = ["address", "hosts", "since", "ends_at", "probation_until", "by", "plan", "reason"];
            list(context, BANS, &columns, &fields).await
        }
    }
}

async fn allow(verb: AllowVerb, context: &CliContext) -> Result<()> {
    match verb {
        AllowVerb::Add { cidr, length, reason, dry_run } => {
            let body = json!({ "cidr": cidr, "for": length, "reason": reason, "dry_run": dry_run });
            change(context, "POST", ALLOW, Some(given(body))).await
        }
        AllowVerb::Remove { cidr, dry_run } => change(context, "DELETE", &removal(ALLOW, cidr, dry_run), None).await,
        AllowVerb::List => {
            list(
                context,
                ALLOW,
                &["network", "since", "ends", "by", "reason"],
                &["cidr", "since", "ends_at", "by", "reason"],
            )
            .await
        }
    }
}

async fn hits(host: Option<HostId>, group: Option<String>, unused: bool, context: &CliContext) -> Result<()> {
    let host = host.map(|h| format!("&host={h}")).unwrap_or_default();
    let group = group.map(|g| format!("&group={g}")).unwrap_or_default();
    let path = format!("/api/v1/firewall/hits?limit=1000&unused={unused}{host}{group}");
    let columns = ["rule", "layer", "hosts", "packets", "24 h", "bytes", "last"];
    let fields = ["id", "layer", "hosts", "packets", "packets_24h", "bytes", "last_hit_at"];
    list(context, &path, &columns, &fields).await
}

async fn denied(host: Option<HostId>, context: &CliContext) -> Result<()> {
    let host = host.map(|h| format!("&host={h}")).unwrap_or_default();
    let path = format!("/api/v1/firewall/denied?limit=1000{host}");
    let fields = ["host", "rule", "source", "protocol", "port", "direction", "packets", "last_at"];
    list(context, &path, &fields, &fields).await
}

/// A name that can stand in an address as it is.
fn group_name(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if plain { Ok(text.to_owned()) } else { Err("this is no name of a group".to_owned()) }
}

/// All pages of a list; an empty one says why.
async fn list(context: &CliContext, path: &str, columns: &[&str], fields: &[&str]) -> Result<()> {
    let mut all = context.client.call("GET", path, None).await?;
    while let Some(cursor) = all["next_cursor"].as_str().map(str::to_owned) {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut next = context.client.call("GET", &format!("{path}{joint}cursor={cursor}"), None).await?;
        let items = next["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if items.is_empty() {
            break;
        }
        all["next_cursor"] = next["next_cursor"].take();
        all["items"].as_array_mut().into_iter().for_each(|list| list.extend_from_slice(&items));
    }
    let empty = all["items"].as_array().is_none_or(Vec::is_empty);
    match all["reason"].as_str() {
        Some(reason) if empty && context.output == Output::Table => println!("{}", printable(reason)),
        _ => context.print(&all, columns, |row| fields.iter().map(|f| said(row, f)).collect()),
    }
    Ok(())
}

/// An empty list of hosts is all of them; of what is on probation the end is said.
fn said(row: &Value, field: &str) -> String {
    match field {
        "probation" => cell(&row[field], "until"),
        "hosts" if row[field].as_array().is_some_and(Vec::is_empty) => "all".to_owned(),
        _ => cell(row, field),
    }
}

async fn change(context: &CliContext, method: &'static str, path: &str, body: Option<Value>) -> Result<()> {
    let plan = context.client.call(method, path, body).await?;
    if context.output == Output::Json {
        println!("{plan:#}");
    } else {
        print!("{}", plan_said(&plan));
    }
    Ok(())
}

/// The plan for people: title, effects, steps, and how to keep it.
fn plan_said(plan: &Value) -> String {
    let each = |name: &str| plan[name].as_array().cloned().unwrap_or_default();
    let id = plan["id"].as_str().filter(|id| !id.is_empty());
    let which =
        id.map_or("preview, nothing was changed".to_owned(), |id| format!("plan {id}, {}", cell(plan, "state")));
    let mut lines = vec![format!("{} ({which})", cell(plan, "title"))];
    lines.extend(each("effects").iter().map(|e| format!("effect: {}", cell(e, "sentence"))));
    lines.extend(
        each("steps")
            .iter()
            .map(|s| format!("step: {} {} ({})", cell(s, "name"), cell(s, "object"), cell(s, "reason"))),
    );
    if let (Some(id), Some(deadline)) = (id, plan["deadline"].as_str()) {
        lines.push(format!("on probation until {deadline}: `palisade plan confirm {id}` keeps it, `palisade plan rollback {id}` undoes it"));
    }
    lines.iter().map(|line| printable(line) + "\n").collect()
}

/// Without what was not given.
fn given(body: Value) -> Value {
    let Value::Object(fields) = body else { return body };
    Value::Object(fields.into_iter().filter(|(_, v)| !v.is_null()).collect::<Map<_, _>>())
}

fn removal(base: &str, cidr: Cidr, dry_run: bool) -> String {
    let query = if dry_run { "?dry_run=true" } else { "" };
    format!("{base}/{}{query}", cidr.to_string().replace('/', "%2F"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        Firewall::command().debug_assert();
    }

    #[test]
    fn a_plan_is_printed_with_how_to_keep_it() {
        let plan = json!({ "id": "p-7", "title": "shut out 203.0.113.0/24", "state": "applying", "deadline": "2026-11-22T12:01:00Z",
            "effects": [{ "sentence": "203.0.113.0/24 can no longer reach 1 host\u{1b}[2J" }],
            "steps": [{ "name": "SetBanNetworks", "object": "203.0.113.0/24", "reason": "scans" }] });
        let expected = "shut out 203.0.113.0/24 (plan p-7, applying)\n\
            effect: 203.0.113.0/24 can no longer reach 1 host\\u{1b}[2J\n\
            step: SetBanNetworks 203.0.113.0/24 (scans)\n\
            on probation until 2026-11-22T12:01:00Z: `palisade plan confirm p-7` keeps it, `palisade plan rollback p-7` undoes it\n";
        assert_eq!(plan_said(&plan), expected);
    }

    #[test]
    fn a_preview_says_that_nothing_was_changed() {
        let plan = json!({ "id": "", "title": "let in 203.0.113.9 again", "state": "preview" });
        assert_eq!(plan_said(&plan), "let in 203.0.113.9 again (preview, nothing was changed)\n");
    }

    #[test]
    fn a_network_is_one_segment_of_a_path() {
        let path = removal(BANS, "203.0.113.0/24".parse().expect("a network"), true);
        assert_eq!(path, "/api/v1/firewall/bans/203.0.113.0%2F24?dry_run=true");
    }
}
