//! `palisade user`: who may sign in, as what.

use super::nouns::segment;
use super::role;
use anyhow::{Context, Result, bail};
use palisade_guard::api::Role;
use palisade_guard::cli::{CliContext, Output, cell};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file with a password is no longer than this.
const PASSWORD_FILE_BYTES_MAX: u64 = 4096;

#[derive(Debug, clap::Subcommand)]
pub enum UserCommand {
    /// Make a user; without a password, print a one-time link that sets one
    Create {
        /// The name: letters, digits, `.`, `_`, `-`, `@`
        name: String,
        /// What the user may do
        #[arg(long, value_parser = role)]
        role: Role,
        /// A file whose first line is the password, or `-` for standard input
        #[arg(long, value_name = "PATH|-")]
        password_file: Option<PathBuf>,
    },
    /// List users
    List,
    /// Keep a user from signing in; open sessions end at once
    Disable {
        /// The name
        name: String,
    },
    /// Let a disabled user sign in again
    Enable {
        /// The name
        name: String,
    },
    /// Change what a user may do, at once
    Role {
        /// The name
        name: String,
        /// The new role
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Make a one-time link: for a user to set a new password, or without a name for a new admin
    Link {
        /// The name
        name: Option<String>,
    },
    /// Take away the second factor of a user who has lost it
    TotpReset {
        /// The name
        name: String,
    },
}

/// Runs it.
pub async fn run(command: UserCommand, context: &CliContext) -> Result<ExitCode> {
    match command {
        UserCommand::Create { name, role, password_file } => {
            create(context, &name, role, password_file.as_deref()).await?;
        }
        UserCommand::List => list(context).await?,
        UserCommand::Disable { name } => change(context, &name, json!({ "disabled": true })).await?,
        UserCommand::Enable { name } => change(context, &name, json!({ "disabled": false })).await?,
        UserCommand::Role { name, role } => change(context, &name, json!({ "role": role })).await?,
        UserCommand::Link { name } => {
            let path = name.map_or("/api/v1/user-links".to_owned(), |name| format!("{}/link", address(&name)));
            print_link(context, &context.client.call("POST", &path, None).await?);
        }
        UserCommand::TotpReset { name } => {
            context.client.call("DELETE", &format!("{}/totp", address(&name)), None).await?;
            println!("{name} signs in with the password alone, until a new second factor is set up");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(context: &CliContext, name: &str, role: Role, file: Option<&Path>) -> Result<()> {
    let password = file.map(first_line).transpose()?;
    let wanted = json!({ "name": name, "role": role, "password": password });
    let made = context.client.call("POST", "/api/v1/users", Some(wanted)).await?;
    if context.output == Output::Json {
        println!("{made:#}");
        return Ok(());
    }
    println!("made {name} with role {}", role.as_str());
    if made["link"].is_object() {
        print_link(context, &made["link"]);
    }
    Ok(())
}

async fn list(context: &CliContext) -> Result<()> {
    let users = context.client.call("GET", "/api/v1/users", None).await?;
    let yes = |value: &Value| if value == &json!(true) { "yes".to_owned() } else { "–".to_owned() };
    context.print(&users, &["name", "role", "disabled", "totp", "sessions", "last sign-in", "locked until"], |u| {
        vec![
            cell(u, "name"),
            cell(u, "role"),
            yes(&u["disabled"]),
            yes(&u["totp"]),
            cell(u, "sessions"),
            cell(u, "last_sign_in_at"),
            cell(u, "locked_until"),
        ]
    });
    Ok(())
}

async fn change(context: &CliContext, name: &str, wanted: Value) -> Result<()> {
    let user = context.client.call("PATCH", &address(name), Some(wanted)).await?;
    if context.output == Output::Json {
        println!("{user:#}");
        return Ok(());
    }
    let disabled = if user["disabled"] == json!(true) { ", disabled" } else { "" };
    println!("{name} has role {}{disabled}", cell(&user, "role"));
    Ok(())
}

fn print_link(context: &CliContext, link: &Value) {
    if context.output == Output::Json {
        println!("{link:#}");
        return;
    }
    println!("open this path of the console once, before {}:", cell(link, "expires_at"));
    println!("{}", cell(link, "path"));
}

fn address(name: &str) -> String {
    format!("/api/v1/users/{}", segment(name))
}

/// The first line of a file or of standard input. Never an argument: `ps` shows those to everybody.
fn first_line(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(PASSWORD_FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.with_context(|| format!("reading the password from `{}`", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!(
            "the first line of `{}` is empty\nhint: without --password-file a one-time link is printed",
            path.display()
        );
    }
    Ok(line.to_owned())
}
