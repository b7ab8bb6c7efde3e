//! `palisade firewall exposure` and `palisade firewall group propose`.

use anyhow::Result;
use palisade_core::HostId;
use palisade_guard::cli::{CliContext, Output, printable};
use serde_json::Value;

/// To whom a port is open, as it is asked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum OpenTo {
    /// To everybody
    World,
    /// To named public networks
    Named,
    /// To private networks
    Private,
    /// To nobody
    None,
}

const FIELDS: [&str; 12] =
    ["host", "protocol", "port", "open", "by_rule", "rule", "address", "process", "package", "path", "to", "finding"];

/// A table of what is open, with the process and the package behind each port.
pub(super) async fn exposure(host: Option<HostId>, open: Option<OpenTo>, context: &CliContext) -> Result<()> {
    let mut path = "/api/v1/firewall/exposure?limit=1000".to_owned();
    if let Some(host) = host {
        path += &format!("&host={host}");
    }
    if let Some(open) = open {
        path += &format!("&open={}", format!("{open:?}").to_lowercase());
    }
    super::list(context, &path, &FIELDS, &FIELDS).await
}

/// Documents that `palisade apply -f` takes, on standard output; what they leave out, on standard error.
pub(super) async fn propose(hosts: Vec<HostId>, context: &CliContext) -> Result<()> {
    let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let query = if names.is_empty() { String::new() } else { format!("?hosts={}", names.join(",")) };
    let answer = context.client.call("GET", &format!("/api/v1/firewall/groups/starter{query}"), None).await?;
    if context.output == Output::Json {
        println!("{answer:#}");
        return Ok(());
    }
    for left_out in answer["left_out"].as_array().into_iter().flatten() {
        eprintln!("left out: {}", printable(left_out.as_str().unwrap_or_default()));
    }
    print!("{}", documents(&answer["resources"]));
    Ok(())
}

/// YAML of a list of documents. Texts are quoted as in JSON, which YAML 1.2 reads the same.
fn documents(list: &Value) -> String {
    let each = list.as_array().into_iter().flatten().map(|document| {
        let mut text = String::new();
        written(document, 0, &mut text);
        text
    });
    each.collect::<Vec<_>>().join("---\n")
}

fn written(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let inner = matches!(field, Value::Object(f) if !f.is_empty());
                let rows = matches!(field, Value::Array(l) if l.iter().any(Value::is_object));
                if inner || rows {
                    *out += &format!("{indent}{name}:\n");
                    written(field, depth + 1, out);
                } else {
                    *out += &format!("{indent}{name}: {field}\n");
                }
            }
        }
        Value::Array(list) => {
            for entry in list {
                let mut text = String::new();
                written(entry, depth + 1, &mut text);
                let text = text.strip_prefix(&"  ".repeat(depth + 1)).unwrap_or(&text).to_owned();
                *out += &format!("{indent}- {text}");
            }
        }
        other => *out += &format!("{indent}{other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_written_as_yaml_with_texts_quoted() {
        let list = json!([
            { "kind": "SecurityGroup", "name": "a", "spec": { "members": { "hosts": ["web-1"] },
              "rules": [{ "action": "allow", "ports": ["22"] }, { "action": "deny", "comment": "a: \"b\"\n" }] } },
            { "kind": "SecurityGroup", "name": "b", "spec": {} },
        ]);
        let expected = "kind: \"SecurityGroup\"\nname: \"a\"\nspec:\n  members:\n    hosts: [\"web-1\"]\n  rules:\n    \
            - action: \"allow\"\n      ports: [\"22\"]\n    - action: \"deny\"\n      comment: \"a: \\\"b\\\"\\n\"\n\
            ---\nkind: \"SecurityGroup\"\nname: \"b\"\nspec: {}\n";
        assert_eq!(documents(&list), expected);
    }
}
