//! The frame's nouns: each asks the API and prints the answer.

use super::role;
use anyhow::{Result, bail};
use palisade_core::{Severity, Span};
use palisade_guard::api::Role;
use palisade_guard::cli::{CliContext, Output, cell, printable};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub enum FindingCommand {
    /// List findings, worst first
    List {
        /// Of one host
        #[arg(long)]
        host: Option<String>,
        /// Of one practice
        #[arg(long)]
        practice: Option<String>,
        /// Of one severity
        #[arg(long)]
        severity: Option<Severity>,
    },
    /// Show one finding whole
    Show {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum PracticeCommand {
    /// List practices
    List {
        /// Of one host
        #[arg(long)]
        host: Option<String>,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum PlanCommand {
    /// List plans, newest first
    List,
    /// Show one plan whole
    Show {
        /// Its id
        id: String,
    },
    /// Keep a plan that is on probation
    Confirm {
        /// Its id
        id: String,
        /// Why it is kept although its path was not proven
        #[arg(long)]
        waiver: Option<String>,
    },
    /// Undo a plan
    Rollback {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum OrderCommand {
    /// List orders, newest first
    List,
    /// Show one order
    Show {
        /// Its id
        id: String,
    },
    /// End an order between two of its parts
    Cancel {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum TokenCommand {
    /// Make a token; the last line printed is the token
    Create {
        /// What it may do
        #[arg(long, value_parser = role)]
        role: Role,
        /// Its name
        #[arg(long)]
        name: String,
        /// How long it lives
        #[arg(long = "for", value_name = "SPAN", default_value = "90d")]
        lives: Span,
    },
    /// List tokens
    List,
    /// End a token
    Delete {
        /// Its name
        name: String,
    },
}

pub async fn finding(command: FindingCommand, context: &CliContext) -> Result<ExitCode> {
    match command {
        FindingCommand::List { host, practice, severity } => {
            let mut path = "/api/v1/findings?limit=1000".to_owned();
            let given = [("host", host), ("practice", practice), ("severity", severity.map(|s| s.to_string()))];
            for (name, value) in given {
                path.extend(value.map(|v| format!("&{name}={}", segment(&v))));
            }
            let findings = context.client.call("GET", &path, None).await?;
            context.print(&findings, &["id", "severity", "host", "object", "title", "state"], |f| {
                ["id", "severity", "host", "object", "title", "state"].map(|c| cell(f, c)).to_vec()
            });
        }
        FindingCommand::Show { id } => {
            let f = context.client.call("GET", &format!("/api/v1/findings/{}", segment(&id)), None).await?;
            print_fields(
                context,
                &f,
                &["title", "severity", "host", "object", "evidence", "observed_at", "first_seen", "why", "reference"],
            );
            if context.output == Output::Table {
                println!("mend: {}", printable(&cell(&f["fix"], "text")));
                f["fix"]["command"].as_str().into_iter().for_each(|c| println!("command: {}", printable(c)));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn practice(command: PracticeCommand, context: &CliContext) -> Result<ExitCode> {
    let PracticeCommand::List { host } = command;
    let path = host.map_or("/api/v1/practices".to_owned(), |h| format!("/api/v1/practices?host={}", segment(&h)));
    let practices = context.client.call("GET", &path, None).await?;
    context.print(&practices, &["id", "state", "guard", "practice", "why"], |p| {
        ["id", "state", "guard", "title", "reason"].map(|c| cell(p, c)).to_vec()
    });
    Ok(ExitCode::SUCCESS)
}

pub async fn plan(command: PlanCommand, context: &CliContext) -> Result<ExitCode> {
    let client = &context.client;
    let answer = match command {
        PlanCommand::List => {
            let plans = client.call("GET", "/api/v1/plans", None).await?;
            context.print(&plans, &["id", "state", "hosts", "guard", "title", "by", "created", "deadline"], |p| {
                let mut row =
                    ["id", "state", "guard", "title", "by", "created_at", "deadline"].map(|c| cell(p, c)).to_vec();
                row.insert(2, hosts_said(p));
                row
            });
            return Ok(ExitCode::SUCCESS);
        }
        PlanCommand::Show { id } => client.call("GET", &format!("/api/v1/plans/{}", segment(&id)), None).await?,
        PlanCommand::Confirm { id, waiver } => {
            client
                .call("POST", &format!("/api/v1/plans/{}/confirm", segment(&id)), Some(json!({ "waiver": waiver })))
                .await?
        }
        PlanCommand::Rollback { id } => {
            client.call("POST", &format!("/api/v1/plans/{}/rollback", segment(&id)), Some(json!({}))).await?
        }
    };
    print_fields(context, &answer, &["id", "state", "title", "by", "created_at", "deadline", "reason"]);
    if context.output == Output::Table {
        let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        list("effects").iter().for_each(|e| println!("effect: {}", printable(&cell(e, "sentence"))));
        list("steps").iter().for_each(|s| {
            println!("step: {} {} ({})", cell(s, "name"), printable(&cell(s, "object")), printable(&cell(s, "reason")))
        });
        for host in list("hosts_state") {
            let silent = host["silent"].as_str().map(|word| format!(" ({})", word.replace('_', " ")));
            let at = host["at"].as_str().map(|at| format!(" at {at}"));
            let error = host["error"].as_str().map(|error| format!(": {}", printable(error)));
            let more: String = [silent, at, error].into_iter().flatten().collect();
            println!("{}: {}{more}", cell(&host, "host"), cell(&host, "state").replace('_', " "));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// On how many of its hosts a plan is done. A plan of a host's own operator has none.
fn hosts_said(plan: &Value) -> String {
    let count = |name: &str| plan["progress"][name].as_u64();
    let Some(hosts) = count("hosts") else { return "–".to_owned() };
    let done = if plan["state"] == "rolled_back" { count("rolled_back") } else { count("applied") };
    format!("{} of {hosts}", done.unwrap_or(0))
}

pub async fn order(command: OrderCommand, context: &CliContext) -> Result<ExitCode> {
    let client = &context.client;
    let order = match command {
        OrderCommand::List => {
            let orders = client.call("GET", "/api/v1/orders", None).await?;
            context.print(&orders, &["id", "host", "kind", "state", "done", "of", "by"], |o| {
                let job = |field| cell(&o["job"], field);
                vec![
                    cell(o, "id"),
                    cell(o, "host"),
                    cell(o, "kind"),
                    job("state"),
                    job("done"),
                    job("total"),
                    cell(o, "by"),
                ]
            });
            return Ok(ExitCode::SUCCESS);
        }
        OrderCommand::Show { id } => client.call("GET", &format!("/api/v1/orders/{}", segment(&id)), None).await?,
        OrderCommand::Cancel { id } => {
            client.call("POST", &format!("/api/v1/orders/{}/cancel", segment(&id)), None).await?
        }
    };
    print_fields(context, &order, &["id", "host", "kind", "by", "created_at", "cancelled"]);
    if context.output == Output::Table {
        print_fields(context, &order["job"], &["state", "done", "total", "message"]);
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn api_token(command: TokenCommand, context: &CliContext) -> Result<ExitCode> {
    let client = &context.client;
    match command {
        TokenCommand::Create { role, name, lives } => {
            let made = client
                .call("POST", "/api/v1/tokens", Some(json!({ "name": name, "role": role, "for": lives })))
                .await?;
            let Some(token) = made["token"].as_str() else { bail!("the server gave no token") };
            if context.output == Output::Json {
                println!("{made:#}");
            } else {
                println!(
                    "made {name} with role {} until {}; it is shown this once:",
                    role.as_str(),
                    cell(&made, "expires_at")
                );
                println!("{token}");
            }
        }
        TokenCommand::List => {
            let tokens = client.call("GET", "/api/v1/tokens", None).await?;
            context.print(&tokens, &["name", "role", "by", "expires", "last used", "from"], |t| {
                ["name", "role", "created_by", "expires_at", "used_at", "used_from"].map(|c| cell(t, c)).to_vec()
            });
        }
        TokenCommand::Delete { name } => {
            client.call("DELETE", &format!("/api/v1/tokens/{}", segment(&name)), None).await?;
            println!("ended {name}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn status(context: &CliContext) -> Result<ExitCode> {
    let status = context.client.call("GET", "/api/v1/status", None).await?;
    println!("{status:#}");
    Ok(ExitCode::SUCCESS)
}

/// One field per line, or the whole as JSON.
pub fn print_fields(context: &CliContext, value: &Value, fields: &[&str]) {
    if context.output == Output::Json {
        println!("{value:#}");
        return;
    }
    for field in fields.iter().filter(|f| !value[**f].is_null()) {
        println!("{}: {}", field.replace('_', " "), printable(&cell(value, field)));
    }
}

/// A value as one segment of a path or query: everything but unreserved characters is escaped
/// (RFC 3986, 2.3).
pub fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
