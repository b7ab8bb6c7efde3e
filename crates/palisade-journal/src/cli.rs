//! `palisade journal` and `palisade audit`.

use clap::{Arg, ArgMatches, Command, value_parser};
use palisade_core::{Span, Timestamp};
use palisade_guard::cli::{CliContext, GuardCommand, cell, query};
use palisade_guard::contract::BoxFuture;
use std::process::ExitCode;

/// The noun `journal`.
pub const COMMAND: GuardCommand = GuardCommand { command, run };
/// The noun `audit` of the frame, which shows the journal's audit events.
pub const AUDIT_COMMAND: GuardCommand = GuardCommand { command: audit_command, run: audit_run };

/// Most events that an export fetches, in pages of 1,000.
const EXPORT_PAGES_MAX: usize = 100;

fn command() -> Command {
    Command::new("journal")
        .about("What happened: events of the server and its hosts")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(filtered(Command::new("list").about("List events, newest first")).arg(limit()))
        .subcommand(filtered(Command::new("export").about("Print events as JSON lines, newest first, at most 100,000")))
}

fn audit_command() -> Command {
    Command::new("audit")
        .about("Changes that were made or refused, and by whom")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(filtered(Command::new("list").about("List changes, newest first")).arg(limit()))
}

fn filtered(command: Command) -> Command {
    let arg = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    command
        .arg(arg("since", "SPAN", "Only of this last time, such as 6h or 7d").value_parser(value_parser!(Span)))
        .arg(arg("kind", "KIND", "Only of this kind and those below it, such as firewall.ban"))
        .arg(arg("actor", "NAME", "Only by this actor: a user, `token NAME` or `local-root`"))
        .arg(arg("host", "HOST", "Only of this host"))
        .arg(arg("severity", "LIST", "Only of these severities, separated by commas"))
        .arg(arg("q", "WORDS", "Only with all of these words"))
}

fn limit() -> Arg {
    Arg::new("limit")
        .long("limit")
        .value_name("N")
        .value_parser(value_parser!(u32).range(1..=1_000))
        .default_value("100")
        .help("At most this many")
}

fn run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("list", args)) => list(args, &context, "/api/v1/journal/events").await?,
            Some(("export", args)) => export(args, &context).await?,
            _ => anyhow::bail!("`journal` needs `list` or `export`"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn audit_run(matches: ArgMatches, context: CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>> {
    Box::pin(async move {
        match matches.subcommand() {
            Some(("list", args)) => list(args, &context, "/api/v1/audit").await?,
            _ => anyhow::bail!("`audit` needs `list`"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn list(args: &ArgMatches, context: &CliContext, path: &str) -> anyhow::Result<()> {
    let limit = args.get_one::<u32>("limit").map(u32::to_string);
    let answer = context.client.call("GET", &address(args, path, limit.as_deref(), None), None).await?;
    context.print(&answer, &["time", "severity", "host", "who", "from", "outcome", "kind", "what"], |e| {
        let (who, from) = (cell(&e["actor"], "name"), cell(&e["actor"], "from"));
        vec![
            cell(e, "time"),
            cell(e, "severity"),
            cell(e, "host"),
            who,
            from,
            cell(e, "outcome"),
            cell(e, "kind"),
            cell(e, "message"),
        ]
    });
    Ok(())
}

async fn export(args: &ArgMatches, context: &CliContext) -> anyhow::Result<()> {
    let mut cursor: Option<String> = None;
    for _ in 0..EXPORT_PAGES_MAX {
        let path = address(args, "/api/v1/journal/events", Some("1000"), cursor.as_deref());
        let answer = context.client.call("GET", &path, None).await?;
        answer["items"].as_array().into_iter().flatten().for_each(|event| println!("{event}"));
        cursor = answer["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
    anyhow::bail!("there are more than 100,000 events\nhint: ask for less with --since, --kind or --host");
}

fn address(args: &ArgMatches, path: &str, limit: Option<&str>, cursor: Option<&str>) -> String {
    let text = |name: &str| args.get_one::<String>(name).map(String::as_str);
    let since = args.get_one::<Span>("since").map(|span| since(*span).to_string());
    let parameters = [
        ("q", text("q")),
        ("host", text("host")),
        ("kind", text("kind")),
        ("actor", text("actor")),
        ("severity", text("severity")),
        ("from", since.as_deref()),
        ("limit", limit),
        ("cursor", cursor),
    ];
    query(path, &parameters)
}

fn since(span: Span) -> Timestamp {
    Timestamp::now().checked_sub(span.as_duration()).unwrap_or(Timestamp::UNIX_EPOCH)
}
