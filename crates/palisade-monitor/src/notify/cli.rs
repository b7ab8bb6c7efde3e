//! `palisade monitor channel …`, `delivery …`, `secret …` and `silence …`.

use crate::cli::Verb;
use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use palisade_guard::cli::{CliContext, Output, cell, printable, query};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::io::Read;
use std::process::ExitCode;

/// The verbs.
pub const VERBS: &[Verb] = &[
    Verb { command: channel_command, run: |matches, context| Box::pin(channel(matches, context)) },
    Verb { command: delivery_command, run: |matches, context| Box::pin(delivery(matches, context)) },
    Verb { command: secret_command, run: |matches, context| Box::pin(secret(matches, context)) },
    Verb { command: silence_command, run: silence_list },
];

fn name() -> Arg {
    Arg::new("name").value_name("NAME").required(true).value_parser(|text: &str| {
        let checked = palisade_guard::kind::name_checked(text);
        checked.map(|()| text.to_owned()).map_err(|error| error.message().to_owned())
    })
}

fn channel_command() -> Command {
    Command::new("channel")
        .about("Channels of notifications")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Every channel, and how it does"))
        .subcommand(Command::new("test").about("Send a test").arg(name()))
}

async fn channel(matches: ArgMatches, context: CliContext) -> anyhow::Result<ExitCode> {
    if let Some(("test", sub)) = matches.subcommand() {
        return test(sub, &context).await;
    }
    let answer = context.client.call("GET", "/api/v1/monitor/channels", None).await?;
    context.print(&answer, &["name", "type", "last ok", "waiting", "dead", "error"], |row| {
        let kind = cell(&row["spec"], "type");
        vec![
            cell(row, "name"),
            kind,
            cell(row, "last_ok_at"),
            cell(row, "waiting"),
            cell(row, "dead"),
            cell(row, "last_error"),
        ]
    });
    say_reason(&answer, &context);
    Ok(ExitCode::SUCCESS)
}

async fn test(matches: &ArgMatches, context: &CliContext) -> anyhow::Result<ExitCode> {
    let name = matches.get_one::<String>("name").context("which channel?")?;
    let answer = context.client.call("POST", &format!("/api/v1/monitor/channels/{name}/test"), None).await?;
    let ok = answer["ok"] == true;
    if context.output == Output::Json {
        println!("{answer:#}");
    } else {
        let word = if ok { "taken" } else { "not taken" };
        println!("{word} after {} ms: {}", cell(&answer, "took_ms"), printable(&cell(&answer, "answer")));
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn delivery_command() -> Command {
    let state =
        Arg::new("state").long("state").value_name("STATE").value_parser(["waiting", "sending", "sent", "dead"]);
    let id = Arg::new("id").value_name("ID").required(true).value_parser(clap::value_parser!(i64).range(1..));
    Command::new("delivery")
        .about("Notifications on their way")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Deliveries, newest first").arg(state.help("Only those that stand so")))
        .subcommand(Command::new("retry").about("Send one that waits or was given up now").arg(id))
}

async fn delivery(matches: ArgMatches, context: CliContext) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("retry", sub)) => {
            let id = sub.get_one::<i64>("id").context("which delivery?")?;
            context.client.call("POST", &format!("/api/v1/monitor/deliveries/{id}/retry"), None).await?;
        }
        Some((_, sub)) => {
            let state = sub.get_one::<String>("state").map(String::as_str);
            let answer =
                context.client.call("GET", &query("/api/v1/monitor/deliveries", &[("state", state)]), None).await?;
            context.print(&answer, &["id", "channel", "state", "tries", "title", "error"], |row| {
                vec![
                    cell(row, "id"),
                    cell(row, "channel"),
                    cell(row, "state"),
                    cell(row, "attempts"),
                    cell(row, "title"),
                    cell(row, "last_error"),
                ]
            });
            say_reason(&answer, &context);
        }
        None => bail!("say what"),
    }
    Ok(ExitCode::SUCCESS)
}

fn secret_command() -> Command {
    Command::new("secret")
        .about("Secrets of channels; they are never shown again")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("The names of the secrets"))
        .subcommand(Command::new("set").about("Set a secret to the line on standard input").arg(name()))
        .subcommand(Command::new("delete").about("Remove a secret").arg(name()))
}

async fn secret(matches: ArgMatches, context: CliContext) -> anyhow::Result<ExitCode> {
    let path = |sub: &ArgMatches| {
        let name = sub.get_one::<String>("name").context("which secret?")?;
        Ok::<_, anyhow::Error>(format!("/api/v1/monitor/secrets/{name}"))
    };
    match matches.subcommand() {
        Some(("set", sub)) => {
            let value = tokio::task::spawn_blocking(read_secret).await.context("reading standard input")??;
            context.client.call("PUT", &path(sub)?, Some(json!({ "value": value }))).await?;
        }
        Some(("delete", sub)) => _ = context.client.call("DELETE", &path(sub)?, None).await?,
        _ => {
            let answer = context.client.call("GET", "/api/v1/monitor/secrets", None).await?;
            context.print(&answer, &["name", "updated at", "by"], |row| {
                vec![cell(row, "name"), cell(row, "updated_at"), cell(row, "updated_by")]
            });
            say_reason(&answer, &context);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of standard input: in the arguments everybody on the machine could see it.
fn read_secret() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(2 * super::secret::SECRET_BYTES_MAX as u64).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn silence_command() -> Command {
    Command::new("silence")
        .about("Silences")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Every silence, active ones first"))
}

fn silence_list(_: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        let answer = context.client.call("GET", "/api/v1/monitor/silences", None).await?;
        context.print(&answer, &["name", "active", "until", "author", "reason"], |row| {
            let spec = &row["spec"];
            vec![cell(row, "name"), cell(row, "active"), cell(spec, "until"), cell(row, "author"), cell(spec, "reason")]
        });
        say_reason(&answer, &context);
        Ok(ExitCode::SUCCESS)
    })
}

fn say_reason(answer: &Value, context: &CliContext) {
    if context.output == Output::Table
        && let Some(reason) = answer["reason"].as_str()
    {
        println!("{}", printable(reason));
    }
}
