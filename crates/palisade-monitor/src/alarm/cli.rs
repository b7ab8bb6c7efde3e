//! `palisade monitor alarm …` and `palisade monitor backtest …`.

use super::script;
use crate::cli::Verb;
use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use palisade_core::{HostId, Span};
use palisade_guard::cli::{CliContext, Output, cell, printable, query, table};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The verbs.
pub const VERBS: &[Verb] =
    &[Verb { command: alarm_command, run: alarm }, Verb { command: backtest_command, run: backtest }];

fn alarm_command() -> Command {
    let id = || Arg::new("id").value_name("ID").required(true).value_parser(clap::value_parser!(u64));
    Command::new("alarm")
        .about("Alarms and their rules")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Alarms that are not over; with --state all, the others too")
                .arg(
                    Arg::new("state")
                        .long("state")
                        .value_name("STATE")
                        .value_parser(["active", "pending", "firing", "no_data", "resolved", "all"]),
                )
                .arg(Arg::new("host").long("host").value_name("HOST").value_parser(clap::value_parser!(HostId)))
                .arg(Arg::new("rule").long("rule").value_name("RULE")),
        )
        .subcommand(Command::new("show").about("One alarm: what it says, its cause, what became of it").arg(id()))
        .subcommand(
            Command::new("ack")
                .about("Takes an alarm on: it is neither repeated nor escalated")
                .arg(id())
                .arg(Arg::new("note").long("note").value_name("TEXT").help("For the others"))
                .arg(
                    Arg::new("undo")
                        .long("undo")
                        .action(ArgAction::SetTrue)
                        .conflicts_with("note")
                        .help("Hands it back"),
                ),
        )
        .subcommand(
            Command::new("silence")
                .about("Holds back what this rule says of this host and series")
                .arg(id())
                .arg(
                    Arg::new("for")
                        .long("for")
                        .value_name("TIME")
                        .default_value("1h")
                        .value_parser(clap::value_parser!(Span)),
                )
                .arg(Arg::new("reason").long("reason").value_name("TEXT").required(true)),
        )
        .subcommand(Command::new("rules").about("The rules, and where their series stand"))
        .subcommand(
            Command::new("basics")
                .about("Switches the built-in rules on or off")
                .arg(Arg::new("to").value_name("on|off").required(true).value_parser(["on", "off"])),
        )
        .subcommand(
            Command::new("test")
                .about("Runs the tests of rules in a file; needs no server")
                .arg(Arg::new("file").value_name("FILE").required(true).value_parser(clap::value_parser!(PathBuf))),
        )
}

fn backtest_command() -> Command {
    Command::new("backtest")
        .about("What a rule would have done")
        .arg(
            Arg::new("file")
                .short('f')
                .long("file")
                .value_name("FILE")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("since")
                .long("since")
                .value_name("TIME")
                .default_value("30d")
                .value_parser(clap::value_parser!(Span)),
        )
        .arg(
            Arg::new("host")
                .long("host")
                .value_name("HOST")
                .action(ArgAction::Append)
                .value_parser(clap::value_parser!(HostId)),
        )
}

fn alarm(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("list", sub)) => list(sub, &context).await?,
            Some(("show", sub)) => show(id(sub)?, &context).await?,
            Some(("ack", sub)) => ack(sub, &context).await?,
            Some(("silence", sub)) => silence(sub, &context).await?,
            Some(("rules", _)) => rules(&context).await?,
            Some(("basics", sub)) => {
                let on = sub.get_one::<String>("to").is_some_and(|to| to == "on");
                context.client.call("POST", "/api/v1/monitor/rules/basics", Some(json!({ "on": on }))).await?;
                println!("the built-in alarm rules are {}", if on { "on" } else { "off" });
            }
            Some(("test", sub)) => return test(sub.get_one::<PathBuf>("file").context("which file?")?),
            _ => bail!("say what"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn id(matches: &ArgMatches) -> anyhow::Result<u64> {
    matches.get_one::<u64>("id").copied().context("which alarm?")
}

async fn list(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let host = matches.get_one::<HostId>("host").map(HostId::as_str);
    let path = query("/api/v1/monitor/alarms", &[("state", text("state")), ("host", host), ("rule", text("rule"))]);
    let answer = context.client.call("GET", &path, None).await?;
    context.print(&answer, &["id", "state", "severity", "since", "host", "rule", "what"], |row| {
        let id = if cell(row, "id").starts_with("pending/") { "–".to_owned() } else { cell(row, "id") };
        let stale = if row["stale"] == true { " (no data)" } else { "" };
        let state = format!("{}{stale}", cell(row, "state"));
        vec![
            id,
            state,
            cell(row, "severity"),
            cell(row, "since"),
            cell(row, "host"),
            cell(row, "rule"),
            cell(row, "sentence"),
        ]
    });
    say_reason(&answer, context);
    Ok(())
}

fn say_reason(answer: &Value, context: &CliContext) {
    if context.output == Output::Table
        && let Some(reason) = answer["reason"].as_str()
    {
        println!("{}", printable(reason));
    }
}

async fn show(id: u64, context: &CliContext) -> anyhow::Result<()> {
    let answer = context.client.call("GET", &format!("/api/v1/monitor/alarms/{id}"), None).await?;
    if context.output == Output::Json {
        println!("{answer:#}");
        return Ok(());
    }
    println!("{}", printable(answer["sentence"].as_str().unwrap_or_default()));
    if let Some(cause) = answer["cause"]["sentence"].as_str() {
        println!("cause: {}", printable(cause));
    }
    let fields = ["rule", "state", "severity", "host", "fired_at", "resolved_at"]
        .map(|name| vec![name.to_owned(), cell(&answer, name)]);
    let by = &answer["acknowledged"]["by"];
    let taken = by.as_str().map(|by| vec!["taken on by".to_owned(), by.to_owned()]);
    print!("{}", table(&["", ""], fields.into_iter().chain(taken)));
    let history = answer["history"].as_array().cloned().unwrap_or_default();
    print!(
        "{}",
        table(
            &["at", "state", "value"],
            history.iter().map(|h| vec![cell(h, "at"), cell(h, "state"), cell(h, "value")])
        )
    );
    Ok(())
}

async fn ack(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let path = format!("/api/v1/monitor/alarms/{}/acknowledge", id(matches)?);
    let undo = matches.get_flag("undo");
    let note = json!({ "note": matches.get_one::<String>("note") });
    let answer = if undo {
        context.client.call("DELETE", &path, None).await?
    } else {
        context.client.call("POST", &path, Some(note)).await?
    };
    if context.output == Output::Json {
        println!("{answer:#}");
    } else {
        println!("alarm {} is {}", id(matches)?, if undo { "handed back" } else { "taken on" });
    }
    Ok(())
}

async fn silence(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let length = matches.get_one::<Span>("for").context("for how long?")?;
    let body = json!({ "for": length, "reason": matches.get_one::<String>("reason") });
    let path = format!("/api/v1/monitor/alarms/{}/silence", id(matches)?);
    let answer = context.client.call("POST", &path, Some(body)).await?;
    if context.output == Output::Json {
        println!("{answer:#}");
    } else {
        println!("silenced for {length}: {}", cell(&answer, "name"));
    }
    Ok(())
}

async fn rules(context: &CliContext) -> anyhow::Result<()> {
    let answer = context.client.call("GET", "/api/v1/monitor/rules", None).await?;
    context.print(&answer, &["rule", "source", "ok", "pending", "firing", "no data"], |row| {
        ["name", "source", "ok", "pending", "firing", "no_data"].map(|field| cell(row, field)).to_vec()
    });
    say_reason(&answer, context);
    Ok(())
}

fn test(file: &Path) -> anyhow::Result<ExitCode> {
    let verdict = script::run(file)?;
    verdict.failures.iter().for_each(|failure| println!("FAILED  {}", printable(failure)));
    println!("{} tests, {} failures", verdict.tests, verdict.failures.len());
    Ok(if verdict.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn backtest(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        let file = matches.get_one::<PathBuf>("file").context("which file?")?;
        let rules = script::documents(file)?;
        if rules.is_empty() {
            bail!("{} holds no document of kind AlarmRule", file.display());
        }
        let hosts: Option<Vec<&HostId>> = matches.get_many::<HostId>("host").map(Iterator::collect);
        let mut answers = Vec::new();
        for (name, spec) in rules {
            let body = json!({ "rule": spec, "since": matches.get_one::<Span>("since"), "hosts": hosts });
            let answer = context.client.call("POST", "/api/v1/monitor/backtest", Some(body)).await?;
            if context.output == Output::Table {
                say(&name, &answer);
            }
            answers.push(json!({ "rule": name, "answer": answer }));
        }
        if context.output == Output::Json {
            println!("{:#}", json!({ "items": answers }));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn say(rule: &str, answer: &Value) {
    println!(
        "{rule}: would have fired {} times, {} shorter than 5 min, on {} series of {} hosts",
        answer["fired"], answer["shorter_than_5m"], answer["series"], answer["hosts"]
    );
    if let Some(reason) = answer["reason"].as_str() {
        println!("{}", printable(reason));
    }
    let time = |value: &Value| {
        let at = value.as_i64().and_then(|s| jiff::Timestamp::from_second(s).ok());
        at.map_or_else(|| "–".to_owned(), |at| at.to_string())
    };
    if let Some(before) = answer["approximate_before"].as_i64() {
        println!("before {} only summaries are kept: approximate", time(&json!(before)));
    }
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let labels = |row: &Value| {
        let values =
            row["labels"].as_object().into_iter().flatten().map(|(_, v)| v.as_str().unwrap_or_default().to_owned());
        values.collect::<Vec<_>>().join(" ")
    };
    let firings = list("firings");
    let rows = firings
        .iter()
        .take(20)
        .map(|f| vec![time(&f["from"]), time(&f["to"]), cell(f, "host"), labels(f), cell(f, "peak")]);
    if !firings.is_empty() {
        print!("{}", table(&["from", "to", "host", "series", "peak"], rows));
    }
    for other in list("suggestions") {
        println!("with threshold {}: {} times", other["threshold"], other["fired"]);
    }
}
