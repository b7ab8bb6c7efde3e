//! `palisade server ca` and `palisade server epoch`: the authority of the server, by its admin.

use anyhow::{Context, Result, bail, ensure};
use palisade_guard::cli::{CliContext, Output, cell, printable};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What can be done with a running server, beside running one.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ServerCommand {
    /// The authority that signs this server and its hosts
    #[command(subcommand)]
    Ca(CaCommand),
    /// The epoch of specs: for a server that was restored from an old copy
    #[command(subcommand)]
    Epoch(EpochCommand),
}

#[derive(Debug, Clone, clap::Subcommand)]
pub enum CaCommand {
    /// Show root, issuer and the server's certificate
    Show,
    /// Write the root key to a file, in the clear, to be kept off-line
    Export {
        /// Where to; the file must not exist
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Then take it off this server
        #[arg(long)]
        remove: bool,
    },
    /// Bring an exported root key back
    Import {
        /// What `export` wrote
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Make a new issuer and a new server certificate now; the root stays
    Rotate,
}

#[derive(Debug, Clone, clap::Subcommand)]
pub enum EpochCommand {
    /// Show the epoch that specs carry
    Show,
    /// Begin a new epoch: hosts take the specs of this server again, although their numbers are lower
    Raise {
        /// Which; needed when hosts hold specs of a higher epoch than the next one of this server
        #[arg(long, value_name = "EPOCH")]
        to: Option<u32>,
    },
}

/// Carries a command out. `remote` when it goes to a server over the network.
pub async fn run(command: ServerCommand, remote: bool, context: &CliContext) -> Result<ExitCode> {
    match command {
        ServerCommand::Ca(CaCommand::Show) => {
            print(context, &context.client.call("GET", "/api/v1/server/ca", None).await?);
        }
        ServerCommand::Ca(CaCommand::Rotate) => {
            print(context, &context.client.call("POST", "/api/v1/server/ca/rotate", None).await?);
        }
        ServerCommand::Ca(CaCommand::Export { to, remove }) => {
            at_the_server(remote)?;
            export(context, &to, remove).await?;
        }
        ServerCommand::Ca(CaCommand::Import { from }) => {
            at_the_server(remote)?;
            import(context, &from).await?;
        }
        ServerCommand::Epoch(EpochCommand::Show) => {
            println!("{}", cell(&context.client.call("GET", "/api/v1/server/epoch", None).await?, "epoch"));
        }
        ServerCommand::Epoch(EpochCommand::Raise { to }) => {
            let given = to.map_or(json!({}), |epoch| json!({ "epoch": epoch }));
            let raised = context.client.call("POST", "/api/v1/server/epoch", Some(given)).await?;
            println!("specs carry epoch {} from now on", cell(&raised, "epoch"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn at_the_server(remote: bool) -> Result<()> {
    if remote {
        bail!(
            "the root key does not travel over the network\nhint: run this as root on the server's machine, without PALISADE_SERVER"
        );
    }
    Ok(())
}

async fn export(context: &CliContext, to: &Path, remove: bool) -> Result<()> {
    let doing = || format!("writing the root key to `{}`", to.display());
    // made first: a file that cannot be written shall not leave an export in the audit log
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).with_context(doing)?;
    let exported = match context.client.call("POST", "/api/v1/server/ca/export", None).await {
        Ok(exported) => exported,
        Err(error) => {
            let _ = std::fs::remove_file(to);
            return Err(error);
        }
    };
    let text = format!("{}{}", cell(&exported, "key"), cell(&exported, "certificate"));
    file.write_all(text.as_bytes()).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    ensure!(
        std::fs::read_to_string(to).with_context(doing)? == text,
        "`{}` does not hold what was written",
        to.display()
    );
    eprintln!("warning: `{}` holds the root key, not encrypted.", to.display());
    eprintln!("warning: whoever has it can pass for this server and for every host. Keep it off-line.");
    if remove {
        context.client.call("DELETE", "/api/v1/server/ca/key", None).await?;
        println!("the root key is away: `{}` is the only copy, but for backups of this server's data", to.display());
        println!("it is needed again for the next issuer and for a new epoch: `palisade server ca show` says when");
    }
    Ok(())
}

async fn import(context: &CliContext, from: &Path) -> Result<()> {
    let text = std::fs::read_to_string(from).with_context(|| format!("reading `{}`", from.display()))?;
    context.client.call("POST", "/api/v1/server/ca/import", Some(json!({ "key": text }))).await?;
    println!("the root key is here again; `{}` still holds it, not encrypted", from.display());
    Ok(())
}

fn print(context: &CliContext, authority: &Value) {
    if context.output == Output::Json {
        println!("{authority:#}");
        return;
    }
    let (root, issuer, own) = (&authority["root"], &authority["issuer"], &authority["certificate"]);
    let key = |of: &Value| {
        let reason = of["key"]["reason"].as_str().map(|why| format!(" ({})", printable(why))).unwrap_or_default();
        format!("{}{reason}", cell(&of["key"], "state"))
    };
    println!("root: {}", cell(root, "fingerprint"));
    println!("  ends {}, key {}", cell(root, "not_after"), key(root));
    println!("issuer: {}", cell(issuer, "serial"));
    println!(
        "  ends {}, renews itself from {}, key {}",
        cell(issuer, "not_after"),
        cell(issuer, "renew_at"),
        key(issuer)
    );
    println!("server: {}", cell(own, "fingerprint"));
    println!("  ends {}, renews itself from {}", cell(own, "not_after"), cell(own, "renew_at"));
    println!("  for {}", printable(&cell(own, "names")));
    println!("key file: {}", printable(&cell(authority, "key_file")));
}
