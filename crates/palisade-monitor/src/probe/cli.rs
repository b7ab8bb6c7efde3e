//! `palisade monitor probe …` and `palisade monitor agentless …`.

use crate::cli::Verb;
use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use palisade_core::HostId;
use palisade_guard::cli::{CliContext, Output, cell, printable};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The verbs.
pub const VERBS: &[Verb] =
    &[Verb { command: probe_command, run: probe }, Verb { command: agentless_command, run: agentless }];

fn probe_command() -> Command {
    let name = Arg::new("name").value_name("NAME").required(true);
    Command::new("probe")
        .about("What the server looks at from outside")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Probes and how their newest look ended"))
        .subcommand(Command::new("run").about("Looks now; the exit code is 1 when the target is not up").arg(name))
}

fn agentless_command() -> Command {
    let host = || Arg::new("host").value_name("HOST").value_parser(clap::value_parser!(HostId)).required(true);
    let fingerprint =
        Arg::new("fingerprint").value_name("FINGERPRINT").required(true).help("SHA256:…, as the host itself says it");
    Command::new("agentless")
        .about("Hosts without an agent, which the server logs in to")
        .subcommand_required(true)
        .subcommand(
            Command::new("show").about("What the host needs to let the server in, and how that goes").arg(host()),
        )
        .subcommand(Command::new("pin").about("Confirms the key of a host").arg(host()).arg(fingerprint))
}

fn probe(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("run", sub)) => run(sub, &context).await,
            _ => list(&context).await.map(|()| ExitCode::SUCCESS),
        }
    })
}

async fn list(context: &CliContext) -> anyhow::Result<()> {
    let answer = context.client.call("GET", "/api/v1/monitor/probes?limit=1000", None).await?;
    context.print(&answer, &["name", "type", "target", "up", "took", "24 h", "error"], |row| {
        let last = &row["last"];
        let took = last["duration_s"].as_f64().map_or_else(String::new, |s| format!("{:.0} ms", s * 1e3));
        let share = row["up_share_24h"].as_f64().map_or_else(String::new, |share| format!("{:.1} %", share * 100.0));
        let (kind, target) = (cell(&row["spec"], "type"), cell(&row["spec"], "target"));
        vec![cell(row, "name"), kind, target, state(last).to_owned(), took, share, cell(last, "error")]
    });
    Ok(())
}

fn state(look: &Value) -> &'static str {
    match look["up"].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not yet",
    }
}

async fn run(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<ExitCode> {
    let name = matches.get_one::<String>("name").context("which probe?")?;
    palisade_guard::kind::name_checked(name).map_err(|error| anyhow::anyhow!("{}", error.message()))?;
    let look = context.client.call("POST", &format!("/api/v1/monitor/probes/{name}/run"), Some(json!({}))).await?;
    if context.output == Output::Json {
        println!("{look:#}");
    } else {
        println!("up: {}", state(&look));
        println!("took: {:.0} ms", look["duration_s"].as_f64().unwrap_or(0.0) * 1e3);
        let facts = look["facts"].as_object().into_iter().flatten();
        facts.for_each(|(name, fact)| println!("{}: {}", printable(name), text(fact)));
        if let Some(error) = look["error"].as_str() {
            println!("error: {}", printable(error));
        }
    }
    Ok(if look["up"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(fact: &Value) -> String {
    match fact {
        Value::String(text) => printable(text),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => printable(&other.to_string()),
    }
}

fn agentless(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        let (verb, sub) = matches.subcommand().context("say what")?;
        let host = sub.get_one::<HostId>("host").context("which host?")?;
        let path = format!("/api/v1/monitor/agentless/{host}");
        let view = match verb {
            "pin" => {
                let fingerprint = sub.get_one::<String>("fingerprint").context("which fingerprint?")?;
                let body = json!({ "fingerprint": fingerprint });
                context.client.call("POST", &format!("{path}/pin"), Some(body)).await?
            }
            _ => context.client.call("GET", &path, None).await?,
        };
        show(&view, &context);
        Ok(ExitCode::SUCCESS)
    })
}

fn show(view: &Value, context: &CliContext) {
    if context.output == Output::Json {
        return println!("{view:#}");
    }
    println!("host: {} at {}", cell(view, "host"), cell(view, "address"));
    let key = &view["host_key"];
    match (key["fingerprint"].as_str(), key["pinned_at"].as_str()) {
        (Some(key), Some(at)) => println!("host key: {} (confirmed {})", printable(key), printable(at)),
        (Some(key), None) => println!("host key: {} (not confirmed: the server does not log in)", printable(key)),
        (None, _) => println!("host key: not seen yet"),
    }
    if let Some(other) = view["shown_key"]["fingerprint"].as_str() {
        println!("it shows another key: {}", printable(other));
    }
    let last = &view["last"];
    match (last["ok"].as_bool(), last["error"].as_str()) {
        (Some(true), _) => println!("last login: {}, read", cell(last, "at")),
        (Some(false), why) => println!("last login: {}, {}", cell(last, "at"), printable(why.unwrap_or("failed"))),
        (None, _) => println!("last login: none yet"),
    }
    println!("\nfor ~{}/.ssh/authorized_keys on the host, one line:", cell(view, "user"));
    println!("{}", cell(view, "authorized_line"));
}
