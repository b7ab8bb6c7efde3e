//! `palisade apply`, `get` and `delete`: resources as files.

mod conflict;
mod print;

use super::nouns::segment;
use anyhow::{Result, anyhow};
use palisade_core::Span;
use palisade_guard::cli::file::{self, Given};
use palisade_guard::cli::{CliContext, Output, Refusal, cell, printable, query};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ends when what stands is not what a file was made from.
const EXIT_CONFLICT: u8 = 3;
/// An answer lists at most 100 conflicts of at most 2,000 documents.
const ROUNDS_MAX: usize = 20;
/// Pages of 1,000 that a list is read in; no kind has more resources.
const PAGES_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// A file of YAML or JSON documents, or `-` for standard input; may be given several times
    #[arg(short, long, required = true, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Overwrite what others have written since, without asking
    #[arg(long)]
    yes: bool,
    /// How long a change that could cut somebody off is tried before it is undone by itself, unless its
    /// plan is kept; 0s for none
    #[arg(long, value_name = "TIME")]
    probation: Option<Span>,
    /// Do also what is refused because it could cut somebody off; that is on probation in any case
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub struct GetArgs {
    /// Which kind; `palisade schema` lists them
    kind: String,
    /// Only this one
    name: Option<String>,
    /// How it is printed: a table for several, yaml for one if absent
    #[arg(short = 'o', value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Documents that can be applied
    Yaml,
    /// The same, as one list
    Json,
    /// Columns for people
    Table,
}

#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// Which kind; `palisade schema` lists them
    kind: String,
    /// Its name
    name: String,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    /// How long a change that could cut somebody off is tried before it is undone by itself, unless its
    /// plan is kept; 0s for none
    #[arg(long, value_name = "TIME")]
    probation: Option<Span>,
    /// Do also what is refused because it could cut somebody off; that is on probation in any case
    #[arg(long)]
    force: bool,
}

pub async fn apply(args: &ApplyArgs, context: &CliContext) -> Result<ExitCode> {
    let mut given = file::read(&args.file)?;
    let from_stdin = args.file.iter().any(|f| f.as_os_str() == "-");
    let mut preview = send(args, context, &given, true).await;
    for _ in 0..ROUNDS_MAX {
        let Some(body) = preview.as_ref().err().and_then(conflict::body) else { break };
        conflict::print(context, body);
        if !conflict::overwritten_knowingly(&mut given, body, args.yes, from_stdin)? {
            return Ok(ExitCode::from(EXIT_CONFLICT));
        }
        preview = send(args, context, &given, true).await;
    }
    let Some(plan) = answered(context, preview)? else { return Ok(ExitCode::from(EXIT_CONFLICT)) };
    if args.dry_run || !print::changes(&plan) {
        print::plan(context, &plan);
        return Ok(ExitCode::SUCCESS);
    }
    if context.output == Output::Table {
        print::plan(context, &plan);
    }
    let Some(done) = answered(context, send(args, context, &given, false).await)? else {
        return Ok(ExitCode::from(EXIT_CONFLICT));
    };
    print::done(context, &done);
    Ok(ExitCode::SUCCESS)
}

/// The answer; nothing for a conflict, which is printed.
fn answered(context: &CliContext, answer: Result<Value>) -> Result<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) => match conflict::body(&error) {
            Some(body) => {
                conflict::print(context, body);
                Ok(None)
            }
            None => Err(error),
        },
    }
}

/// Sends the documents; an error about one of them says where in which file that stands.
async fn send(args: &ApplyArgs, context: &CliContext, given: &[Given], dry_run: bool) -> Result<Value> {
    let resources: Vec<Value> = given.iter().map(Given::document).collect();
    let (force, probation) = (args.force, args.probation);
    let body = json!({ "resources": resources, "dry_run": dry_run, "force": force, "probation": probation });
    context.client.call("POST", "/api/v1/apply", Some(body)).await.map_err(|error| placed(error, given))
}

fn placed(error: anyhow::Error, given: &[Given]) -> anyhow::Error {
    let Some(refusal) = error.downcast_ref::<Refusal>() else { return error };
    let path = refusal.body["path"].as_str().unwrap_or_default();
    match file::place(path, given) {
        Some(place) => anyhow!("{place}: {refusal}"),
        None => error,
    }
}

pub async fn get(args: &GetArgs, context: &CliContext) -> Result<ExitCode> {
    let all = match &args.name {
        Some(name) => vec![context.client.call("GET", &path_of(&args.kind, name), None).await?],
        None => list(context, &args.kind).await?,
    };
    let form = match (args.form, context.output, &args.name) {
        (Some(form), _, _) => form,
        (None, Output::Json, _) => Form::Json,
        (None, _, Some(_)) => Form::Yaml,
        (None, _, None) => Form::Table,
    };
    match form {
        Form::Table => table(context, &all),
        Form::Json => println!("{:#}", json!(all.iter().map(document).collect::<Vec<_>>())),
        Form::Yaml => print!("{}", file::yaml(&all)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn table(context: &CliContext, all: &[Value]) {
    let tables = CliContext { output: Output::Table, ..context.clone() };
    tables.print(&json!({ "items": all }), &["name", "version", "changed", "by", "spec"], |r| {
        let spec = printable(&r["spec"].to_string());
        vec![cell(r, "name"), cell(r, "version"), cell(r, "updated_at"), cell(r, "updated_by"), spec]
    });
}

/// A resource without what the server adds to it.
fn document(resource: &Value) -> Value {
    json!({ "kind": resource["kind"], "name": resource["name"], "version": resource["version"], "spec": resource["spec"] })
}

async fn list(context: &CliContext, kind: &str) -> Result<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let path = format!("/api/v1/resources/{}", segment(kind));
        let path = query(&path, &[("limit", Some("1000")), ("cursor", cursor.as_deref())]);
        let page = context.client.call("GET", &path, None).await?;
        all.extend(page["items"].as_array().cloned().unwrap_or_default());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

pub async fn delete(args: &DeleteArgs, context: &CliContext) -> Result<ExitCode> {
    let path = path_of(&args.kind, &args.name);
    let probation = args.probation.map(|span| span.to_string());
    let path = query(
        &path,
        &[
            ("dry_run", args.dry_run.then_some("true")),
            ("force", args.force.then_some("true")),
            ("probation", probation.as_deref()),
        ],
    );
    let done = context.client.call("DELETE", &path, None).await?;
    if args.dry_run || context.output == Output::Table {
        print::plan(context, &done);
    }
    if !args.dry_run {
        print::done(context, &done);
    }
    Ok(ExitCode::SUCCESS)
}

fn path_of(kind: &str, name: &str) -> String {
    format!("/api/v1/resources/{}/{}", segment(kind), segment(name))
}
