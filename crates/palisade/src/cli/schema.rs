//! `palisade schema`: what this version publishes, as JSON.

use super::check::CheckReport;
use crate::{guards, server};
use anyhow::{Result, anyhow};
use palisade_guard::cli::table;
use palisade_guard::kind;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What is published beside the kinds of resources.
const OTHERS: [(&str, &str); 2] = [
    ("openapi", "the API, as an OpenAPI document"),
    ("check", "what `palisade check --output json` prints, as a JSON Schema"),
];

#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {
    /// Which one: a kind of resources, `openapi` or `check`; without it, the list
    #[arg(value_name = "KIND")]
    kind: Option<String>,
}

pub fn run(args: &SchemaArgs) -> Result<ExitCode> {
    let value = match args.kind.as_deref() {
        None => return list(),
        Some("openapi") => serde_json::to_value(server::openapi())?,
        Some("check") => check(),
        Some(kind) => of_kind(kind)?,
    };
    println!("{}", serde_json::to_string_pretty(&value)?);
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode> {
    let kinds = server::kinds(&guards::all());
    let own = kinds.iter().map(|k| vec![k.name().to_owned(), k.guard().to_owned(), k.description().to_owned()]);
    let others = OTHERS.iter().map(|(name, what)| vec![(*name).to_owned(), "–".to_owned(), (*what).to_owned()]);
    print!("{}", table(&["kind", "guard", "what it is"], own.chain(others)));
    Ok(ExitCode::SUCCESS)
}

/// The schema of a document of a kind, so that an editor can check files.
fn of_kind(word: &str) -> Result<Value> {
    let kinds = server::kinds(&guards::all());
    let kind = kinds.find(word).map_err(|error| {
        let hint = error.hinted().map(|h| format!("\nhint: {h}")).unwrap_or_default();
        anyhow!("{}{hint}", error.message())
    })?;
    Ok(kind::document_schema(kind))
}

fn check() -> Value {
    let mut root = kind::schema_of::<CheckReport>();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("palisade check --output json");
    root
}
