//! A guard's noun on the command line, and the client that it speaks through.

pub mod file;

use crate::contract::BoxFuture;
use comfy_table::{Table, presets};
use serde_json::Value;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

/// A guard's noun: its clap command and what runs it.
#[derive(Clone, Copy)]
pub struct GuardCommand {
    /// The command, named after the guard.
    pub command: fn() -> clap::Command,
    /// Runs it.
    pub run: fn(clap::ArgMatches, CliContext) -> BoxFuture<'static, anyhow::Result<ExitCode>>,
}

/// An API call by method and path; the transport (TLS and token, admin socket, agent socket) is
/// chosen by the caller.
pub trait ApiClient: Send + Sync {
    /// Calls `/api/v1…`. An error answer of the API becomes an error that prints its message and,
    /// on a line of its own, `hint: …`; it is a [`Refusal`].
    fn call<'a>(
        &'a self,
        method: &'static str,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, anyhow::Result<Value>>;
}

/// An error answer of the API, whole; prints as its message and its hint.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body: `code`, `message`, `hint`, and what the endpoint adds.
    pub body: Value,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.body["message"].as_str().or(self.body.as_str()) {
            Some("") => write!(f, "the server answered {}", self.status)?,
            Some(message) => f.write_str(message)?,
            None => f.write_str("the server gave no reason")?,
        }
        self.body["hint"].as_str().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for Refusal {}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people: columns, or the text that the command is there to print.
    #[value(aliases = ["text", "nft"])]
    Table,
    /// The API's own JSON.
    Json,
}

/// What a command works with.
#[derive(Clone)]
pub struct CliContext {
    /// The way to the server or, with `--local`, to the agent.
    pub client: Arc<dyn ApiClient>,
    /// How to print.
    pub output: Output,
}

impl CliContext {
    /// Prints `value` as JSON, or `rows` of the named columns as a table.
    pub fn print(&self, value: &Value, columns: &[&str], row: impl Fn(&Value) -> Vec<String>) {
        if self.output == Output::Json {
            println!("{value:#}");
            return;
        }
        let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        print!("{}", table(columns, items.iter().map(row)));
    }
}

/// A plain table: columns separated by two spaces, no frame, control characters escaped.
pub fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(columns.iter().map(|c| c.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    if text.is_empty() {
        text.push('\n');
    }
    text
}

/// The text with control and bidirectional formatting characters as escapes, so that a hostile
/// name cannot repaint a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let hostile = c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if hostile { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

/// A field of a JSON object as a cell: text as it is, numbers printed, absent as `–`.
pub fn cell(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            list.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// `path?name=value&…` with the values percent-encoded (RFC 3986); parameters without a value are
/// left out.
pub fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    for (name, value) in parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
                other => out.push_str(&format!("%{other:02X}")),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(printable("a\u{1b}[31m\u{202e}b\nc"), "a\\u{1b}[31m\\u{202e}b\\nc");
    }

    #[test]
    fn parameters_are_encoded_and_empty_ones_left_out() {
        let said = query("/a", &[("q", Some("x & é")), ("host", None), ("limit", Some("5"))]);
        assert_eq!(said, "/a?q=x%20%26%20%C3%A9&limit=5");
    }
}
