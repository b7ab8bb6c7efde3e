//! `palisade upgrade`.

use clap::{Arg, ArgAction, ArgMatches, Command};
use palisade_guard::cli::{CliContext, GuardCommand, cell, query};
use palisade_guard::contract::BoxFuture;
use serde_json::Value;
use std::process::ExitCode;

/// The noun.
pub const COMMAND: GuardCommand = GuardCommand { command, run };

fn command() -> Command {
    let host = || Arg::new("host").long("host").value_name("HOST").help("Only this host");
    Command::new("upgrade")
        .about("Updates that wait, and how hosts stand with their upgrades")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("list").about("List updates that wait, those that mend security first").arg(host()).arg(
                Arg::new("security")
                    .long("security")
                    .action(ArgAction::SetTrue)
                    .help("Only updates that mend security"),
            ),
        )
        .subcommand(Command::new("status").about("Show release, age of the lists and restart of each host").arg(host()))
}

fn run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("list", args)) => list(args, &context).await?,
            Some(("status", args)) => status(args, &context).await?,
            _ => anyhow::bail!("`upgrade` needs `list` or `status`"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(args: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let host = args.get_one::<String>("host").map(String::as_str);
    let security = args.get_flag("security").then_some("true");
    let path = query("/api/v1/upgrade/pending", &[("host", host), ("security", security), ("limit", Some("1000"))]);
    let answer = context.client.call("GET", &path, None).await?;
    let columns = ["host", "package", "installed", "candidate", "security", "archive"];
    context.print(&answer, &columns, |row| {
        let security = if row["security"] == Value::Bool(true) { "yes" } else { "no" };
        vec![
            cell(row, "host"),
            cell(row, "name"),
            cell(row, "installed"),
            cell(row, "candidate"),
            security.to_owned(),
            cell(row, "archive"),
        ]
    });
    Ok(())
}

async fn status(args: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let host = args.get_one::<String>("host").map(String::as_str);
    let path = query("/api/v1/upgrade/status", &[("host", host), ("limit", Some("1000"))]);
    let answer = context.client.call("GET", &path, None).await?;
    let columns = ["host", "release", "pending", "security", "lists", "restart", "observed"];
    context.print(&answer, &columns, |row| {
        vec![
            cell(row, "host"),
            cell(&row["os"], "name"),
            cell(row, "pending"),
            cell(row, "security"),
            cell(&row["lists"], "updated_at"),
            restart(&row["reboot"]).to_owned(),
            cell(row, "observed_at"),
        ]
    });
    Ok(())
}

fn restart(reboot: &Value) -> &'static str {
    match (reboot.is_null(), reboot["required"] == Value::Bool(true) || !reboot["newer"].is_null()) {
        (true, _) => "–",
        (false, true) => "needed",
        (false, false) => "no",
    }
}
