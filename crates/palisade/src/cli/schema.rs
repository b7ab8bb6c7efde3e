//! `palisade schema`: what this version publishes, as JSON.

use super::check::CheckReport;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::ExitCode;
use utoipa::{OpenApi, PartialSchema};

#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {
    /// Which one
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// The API, as an OpenAPI document
    Openapi,
    /// What `palisade check --output json` prints, as a JSON Schema
    Check,
}

#[derive(OpenApi)]
#[openapi(components(schemas(CheckReport)))]
struct CheckComponents;

pub fn run(args: &SchemaArgs) -> Result<ExitCode> {
    let value = match args.kind {
        Kind::Openapi => serde_json::to_value(crate::server::openapi())?,
        Kind::Check => check()?,
    };
    println!("{}", serde_json::to_string_pretty(&value)?);
    Ok(ExitCode::SUCCESS)
}

/// OpenAPI 3.1 schemas are JSON Schemas; only the place of the definitions differs.
fn check() -> Result<Value> {
    let mut root = serde_json::to_value(CheckReport::schema())?;
    let components = serde_json::to_value(CheckComponents::openapi().components)?;
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("palisade check --output json");
    root["$defs"] = components["schemas"].clone();
    Ok(serde_json::from_str(&root.to_string().replace("#/components/schemas/", "#/$defs/"))?)
}
