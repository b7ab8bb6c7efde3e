//! `palisade join-token`: what new hosts need to join.

use super::nouns::segment;
use crate::link::join::ServerUrl;
use anyhow::{Result, bail};
use palisade_core::{Profile, Span, Tag, Tags};
use palisade_guard::cli::{CliContext, Output, cell, printable};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub enum JoinTokenCommand {
    /// Make a token; the last line printed is the token
    Create(CreateArgs),
    /// List tokens, newest first
    List,
    /// End a token; hosts that joined with it stay
    Delete {
        /// Its id
        id: String,
    },
}

/// What the token shall be.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// What hosts join with: observe or protect
    #[arg(long, default_value = "observe")]
    profile: Profile,
    /// Where the hosts stand
    #[arg(long)]
    region: Option<String>,
    /// Tag of the hosts, as key=value; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<Tag>,
    /// How many hosts may join
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it lives
    #[arg(long = "for", value_name = "SPAN", default_value = "24h")]
    lives: Span,
    /// By which address the hosts reach the server, if not the first of its names or addresses
    #[arg(long, value_name = "https://HOST:PORT")]
    url: Option<ServerUrl>,
    /// Print only a script, as user data for cloud-init, that installs the agent and joins
    #[arg(long)]
    cloud_init: bool,
}

/// Asks the server and prints its answer.
pub async fn run(command: JoinTokenCommand, context: &CliContext) -> Result<ExitCode> {
    match command {
        JoinTokenCommand::Create(args) => create(args, context).await?,
        JoinTokenCommand::List => {
            let tokens = context.client.call("GET", "/api/v1/join-tokens?limit=1000", None).await?;
            context.print(&tokens, &["id", "profile", "region", "uses left", "expires", "by", "joined"], |t| {
                let joined = t["joined"].as_array().map_or(0, Vec::len).to_string();
                ["id", "profile", "region", "uses_left", "expires_at", "created_by"]
                    .map(|c| cell(t, c))
                    .into_iter()
                    .chain([joined])
                    .collect()
            });
        }
        JoinTokenCommand::Delete { id } => {
            context.client.call("DELETE", &format!("/api/v1/join-tokens/{}", segment(&id)), None).await?;
            println!("ended {id}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs, context: &CliContext) -> Result<()> {
    let mut tags = Tags::new();
    for tag in &args.tags {
        tags.set(&tag.key, &tag.value)?;
    }
    let wanted = json!({
        "profile": args.profile, "region": args.region, "tags": tags, "uses": args.uses, "for": args.lives,
        "url": args.url,
    });
    let made = context.client.call("POST", "/api/v1/join-tokens", Some(wanted)).await?;
    if let Some(warning) = made["warning"].as_str() {
        eprintln!("warning: {}", printable(warning));
    }
    if args.cloud_init {
        let Some(script) = made["script"].as_str() else { bail!("the server gave no script") };
        print!("{script}");
    } else if context.output == Output::Json {
        println!("{made:#}");
    } else {
        print_made(&made)?;
    }
    Ok(())
}

fn print_made(made: &Value) -> Result<()> {
    let Some(token) = made["token"].as_str() else { bail!("the server gave no token") };
    println!("made {} for {} host(s) until {}", cell(made, "id"), cell(made, "uses_left"), cell(made, "expires_at"));
    println!("on the host, as root, with the token on standard input:");
    println!("  {}", printable(&cell(made, "command")));
    println!("the token, which is shown this once:");
    println!("{token}");
    Ok(())
}
