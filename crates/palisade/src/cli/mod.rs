//! The command line: one noun per guard and per thing of the frame, and the roles that run.

mod authority;
mod check;
mod client;
mod host;
mod install;
mod join;
mod join_token;
mod nouns;
mod resource;
mod schema;
mod up;
mod user;

use crate::config::{Config, ConfigArgs, RunArgs};
use crate::{agent, guards, process, server};
use anyhow::Result;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use palisade_guard::api::Role;
use palisade_guard::cli::{CliContext, Output};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Protects Linux servers: observes, judges, acts and proves, per practice and per host.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    ask: AskArgs,
    #[command(subcommand)]
    command: Command,
}

/// Where a command goes and how its answer is printed.
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// Address of the server; without it, the server of this machine
    #[arg(long, env = "PALISADE_SERVER", global = true, value_name = "https://HOST:PORT")]
    server: Option<String>,
    /// Ask the agent of this host, not a server
    #[arg(long, global = true)]
    local: bool,
    /// How answers are printed
    #[arg(long, global = true, value_enum, default_value = "table")]
    output: Output,
    /// How much is logged: error, warn, info, debug, or a filter such as `palisade=debug`
    #[arg(long, env = "PALISADE_LOG", global = true, value_name = "LEVEL")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server with its console and the agent for this host
    Up(RunArgs),
    /// Start only the server, or look after its authority
    Server(up::ServerArgs),
    /// Start only the agent for this host, or have this host join a server
    Agent(join::AgentArgs),
    /// Judge this host, or a directory that holds one, without any server
    Check(check::CheckArgs),
    /// Write systemd units, configuration and permit
    Install(install::InstallArgs),
    /// Hosts
    #[command(subcommand)]
    Host(host::HostCommand),
    /// What is wrong, with evidence and mend
    #[command(subcommand)]
    Finding(nouns::FindingCommand),
    /// How the hosts stand against each practice
    #[command(subcommand)]
    Practice(nouns::PracticeCommand),
    /// Changes: what they do, and keeping or undoing them
    #[command(subcommand)]
    Plan(nouns::PlanCommand),
    /// One-off acts, and how far they are
    #[command(subcommand)]
    Order(nouns::OrderCommand),
    /// API tokens
    #[command(subcommand)]
    ApiToken(nouns::TokenCommand),
    /// What new hosts need to join
    #[command(subcommand)]
    JoinToken(join_token::JoinTokenCommand),
    /// Users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make things as files say; shows the plan first
    Apply(resource::ApplyArgs),
    /// Show the resources of a kind, as a file that can be applied
    Get(resource::GetArgs),
    /// Remove a resource
    Delete(resource::DeleteArgs),
    /// How the server or, with --local, the agent is
    Status,
    /// Print a schema that this version publishes
    Schema(schema::SchemaArgs),
}

/// Parses, runs, and turns an error into a message with its hint.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = run(&matches);
    match result {
        Ok(code) => code,
        Err(error) => {
            let (message, hints) = explained(&error);
            eprintln!("error: {message}");
            hints.iter().for_each(|hint| eprintln!("hint: {hint}"));
            ExitCode::from(2)
        }
    }
}

/// An error and its causes on one line, and the hints that stood in any of them.
fn explained(error: &anyhow::Error) -> (String, Vec<String>) {
    let (mut said, mut hints) = (Vec::new(), Vec::new());
    for cause in error.chain() {
        let text = cause.to_string();
        let mut parts = text.split("\nhint: ");
        said.extend(parts.next().map(str::to_owned));
        hints.extend(parts.map(str::to_owned));
    }
    (said.join(": "), hints)
}

/// The whole command: the frame's nouns, then one per guard that has one.
pub fn command() -> clap::Command {
    let nouns = guards::commands().into_iter().map(|c| (c.command)());
    Cli::command().subcommands(nouns)
}

fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let guard = matches.subcommand().and_then(|(name, inner)| {
        let found = guards::commands().into_iter().find(|c| (c.command)().get_name() == name)?;
        Some((found, inner.clone()))
    });
    if let Some((command, inner)) = guard {
        let config = ConfigArgs::from_arg_matches(matches)?;
        let ask = AskArgs::from_arg_matches(matches)?;
        log(ask.log.as_deref(), "warn");
        return runtime()?.block_on((command.run)(inner, context(&config, &ask)?));
    }
    let cli = Cli::from_arg_matches(matches)?;
    dispatch(cli)
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let runs = match &cli.command {
        Command::Up(_) | Command::Agent(_) => true,
        Command::Server(args) => args.command.is_none(),
        _ => false,
    };
    log(cli.ask.log.as_deref(), if runs { "info" } else { "warn" });
    match cli.command {
        Command::Up(run) => runtime()?.block_on(up::run(Config::load(&cli.config, &run)?, &cli.config)),
        Command::Server(up::ServerArgs { command: Some(command), .. }) => {
            let context = context(&cli.config, &cli.ask)?;
            runtime()?.block_on(authority::run(command, cli.ask.server.is_some(), &context))
        }
        Command::Server(args) => {
            let config = Config::load(&cli.config, &args.run)?;
            // before the runtime: its threads must never have had more rights
            up::drop_rights(&args)?;
            runtime()?.block_on(server::run(config, args.with_parent))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Agent(args) => runtime()?.block_on(run_agent(Config::load(&cli.config, &args.run)?, &args)),
        Command::Check(args) => check::run(&args, cli.ask.output),
        Command::Install(args) => install::run(args),
        Command::Schema(args) => schema::run(&args),
        other => {
            let context = context(&cli.config, &cli.ask)?;
            runtime()?.block_on(nouns(other, context))
        }
    }
}

async fn nouns(command: Command, context: CliContext) -> Result<ExitCode> {
    match command {
        Command::Host(c) => host::run(c, &context).await,
        Command::Finding(c) => nouns::finding(c, &context).await,
        Command::Practice(c) => nouns::practice(c, &context).await,
        Command::Plan(c) => nouns::plan(c, &context).await,
        Command::Order(c) => nouns::order(c, &context).await,
        Command::ApiToken(c) => nouns::api_token(c, &context).await,
        Command::JoinToken(c) => join_token::run(c, &context).await,
        Command::User(c) => user::run(c, &context).await,
        Command::Apply(args) => resource::apply(&args, &context).await,
        Command::Get(args) => resource::get(&args, &context).await,
        Command::Delete(args) => resource::delete(&args, &context).await,
        _ => nouns::status(&context).await,
    }
}

async fn run_agent(config: Config, args: &join::AgentArgs) -> Result<ExitCode> {
    if let Some(url) = &args.join {
        return join::run(url, args, &config).await;
    }
    let running = agent::start(&config).await?;
    let renamed = tokio::select! {
        () = process::end_asked() => false,
        () = running.agent.renamed.notified() => true,
    };
    running.end().await;
    if renamed {
        return Err(process::start_anew());
    }
    Ok(ExitCode::SUCCESS)
}

fn context(config: &ConfigArgs, ask: &AskArgs) -> Result<CliContext> {
    let config = Config::load(config, &RunArgs::default())?;
    let client = client::choose(&config, ask.server.as_deref(), ask.local)?;
    Ok(CliContext { client, output: ask.output })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn log(filter: Option<&str>, default: &str) {
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

/// A role given on the command line.
fn role(text: &str) -> Result<Role, String> {
    text.parse()
}
