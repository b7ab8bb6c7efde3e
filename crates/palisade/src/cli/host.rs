//! `palisade host`: the fleet and the place of each host in it.

use super::nouns::{print_fields, segment};
use anyhow::{Result, ensure};
use palisade_core::Tag;
use palisade_guard::cli::{CliContext, Output, cell, printable};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub enum HostCommand {
    /// List hosts
    List {
        /// In one region
        #[arg(long)]
        region: Option<String>,
        /// With this tag; may be given several times, and then all must be there
        #[arg(long, value_name = "KEY=VALUE")]
        tag: Vec<Tag>,
        /// The retired ones too
        #[arg(long)]
        all: bool,
    },
    /// Show one host with its guards
    Show {
        /// Its name
        name: String,
    },
    /// Set and remove tags of a host, or set its region
    Tag {
        /// Its name
        name: String,
        /// `key=value` sets a tag, `key-` removes it
        #[arg(value_name = "KEY=VALUE|KEY-", required_unless_present = "region", value_parser = change)]
        tags: Vec<Change>,
        /// Where it stands; an empty text takes the region away
        #[arg(long)]
        region: Option<String>,
    },
    /// Take a host out of service: its certificate is withdrawn, its history stays
    Retire {
        /// Its name
        name: String,
    },
    /// Withdraw the certificate of a host: whoever holds it is cut off and stays out
    Revoke {
        /// Its name
        name: String,
        /// Why; goes into the audit log
        #[arg(long)]
        reason: String,
    },
    /// Have every guard of a host observe now
    Look {
        /// Its name
        name: String,
    },
}

/// One change of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Set(Tag),
    Remove(String),
}

fn change(text: &str) -> Result<Change, String> {
    match text.strip_suffix('-') {
        // a value may end in `-`, a key that is removed holds no `=`
        Some(key) if !text.contains('=') && !key.is_empty() => Ok(Change::Remove(key.to_owned())),
        _ => text.parse().map(Change::Set).map_err(|e| format!("{e}, or `key-` to remove one")),
    }
}

pub async fn run(command: HostCommand, context: &CliContext) -> Result<ExitCode> {
    match command {
        HostCommand::List { region, tag, all } => list(region, &tag, all, context).await?,
        HostCommand::Show { name } => {
            let host = context.client.call("GET", &path(&name, ""), None).await?;
            show(&host, context);
        }
        HostCommand::Tag { name, tags, region } => tag(&name, &tags, region, context).await?,
        HostCommand::Retire { name } => {
            let host = context.client.call("POST", &path(&name, "/retire"), None).await?;
            changed(&host, context);
        }
        HostCommand::Revoke { name, reason } => {
            let wanted = json!({ "reason": reason });
            let host = context.client.call("POST", &path(&name, "/revoke"), Some(wanted)).await?;
            changed(&host, context);
        }
        HostCommand::Look { name } => {
            let wanted = json!({ "host": name, "kind": "look" });
            let order = context.client.call("POST", "/api/v1/orders", Some(wanted)).await?;
            print_fields(context, &order, &["id", "host", "kind"]);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(name: &str, action: &str) -> String {
    format!("/api/v1/hosts/{}{action}", segment(name))
}

async fn list(region: Option<String>, tags: &[Tag], all: bool, context: &CliContext) -> Result<()> {
    let mut path = "/api/v1/hosts?limit=1000".to_owned();
    let tags = tags.iter().map(|tag| ("tag", tag.to_string()));
    let given = tags.chain(region.map(|r| ("region", r))).chain(all.then(|| ("standing", "all".to_owned())));
    given.for_each(|(name, value)| path.push_str(&format!("&{name}={}", segment(&value))));
    let mut hosts = context.client.call("GET", &path, None).await?;
    while let Some(cursor) = hosts["next_cursor"].as_str().map(str::to_owned) {
        let mut next = context.client.call("GET", &format!("{path}&cursor={}", segment(&cursor)), None).await?;
        let mut items = hosts["items"].take();
        let more = next["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        ensure!(!more.is_empty(), "the server's list of hosts does not end");
        items.as_array_mut().into_iter().for_each(|items| items.extend(more.iter().cloned()));
        hosts["items"] = items;
        hosts["next_cursor"] = next["next_cursor"].take();
    }
    context.print(&hosts, &["name", "state", "verdict", "region", "tags", "os", "findings", "worst"], |h| {
        vec![
            cell(h, "name"),
            cell(h, "state"),
            cell(&h["verdict"], "word").replace('_', " "),
            cell(h, "region"),
            tags_said(h),
            cell(h, "os"),
            cell(h, "findings_open"),
            cell(&h["worst"], "title"),
        ]
    });
    Ok(())
}

fn tags_said(host: &Value) -> String {
    let tags = host["tags"].as_object().into_iter().flatten();
    let said: Vec<String> = tags.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    if said.is_empty() { "–".to_owned() } else { said.join(", ") }
}

async fn tag(name: &str, tags: &[Change], region: Option<String>, context: &CliContext) -> Result<()> {
    let mut wanted = Map::new();
    let pairs = tags.iter().map(|change| match change {
        Change::Set(tag) => (tag.key.clone(), json!(tag.value)),
        Change::Remove(key) => (key.clone(), Value::Null),
    });
    wanted.insert("tags".to_owned(), Value::Object(pairs.collect()));
    if let Some(region) = region {
        wanted.insert("region".to_owned(), if region.is_empty() { Value::Null } else { json!(region) });
    }
    let host = context.client.call("PATCH", &path(name, ""), Some(Value::Object(wanted))).await?;
    changed(&host, context);
    Ok(())
}

fn changed(host: &Value, context: &CliContext) {
    if context.output == Output::Json {
        return println!("{host:#}");
    }
    facts(host);
}

fn show(host: &Value, context: &CliContext) {
    if context.output == Output::Json {
        return println!("{host:#}");
    }
    facts(host);
    let guards = json!({ "items": host["guards"] });
    context.print(&guards, &["guard", "state", "observed", "why"], |g| {
        vec![cell(g, "guard"), cell(g, "state"), cell(g, "observed_at"), cell(g, "reason")]
    });
}

/// What a host is, one fact per line.
fn facts(host: &Value) {
    let verdict = &host["verdict"];
    let since = format!("{} since {}", cell(verdict, "word").replace('_', " "), cell(verdict, "since"));
    let lost = host["lost"].as_object().into_iter().flatten();
    let lost: Vec<String> = lost.map(|(guard, n)| format!("{n} of {guard}")).collect();
    let lines = [
        ("name", cell(host, "name")),
        ("state", cell(host, "state")),
        ("verdict", verdict["reason"].as_str().map_or(since.clone(), |why| format!("{since}: {why}"))),
        ("standing", cell(host, "standing")),
        ("system", cell(host, "os")),
        ("region", cell(host, "region")),
        ("tags", tags_said(host)),
        ("profile", cell(host, "profile")),
        ("certificate", format!("until {}", cell(&host["certificate"], "not_after"))),
        ("lost records", lost.join(", ")),
    ];
    let none = ["", "–", "until –"];
    let given = lines.iter().filter(|(_, text)| !none.contains(&text.as_str()));
    given.for_each(|(name, text)| println!("{name}: {}", printable(text)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_set_by_an_equals_sign_and_removed_by_a_hyphen_behind_its_key() {
        let set = |text: &str| Change::Set(text.parse().unwrap());
        assert_eq!(change("role=web"), Ok(set("role=web")));
        assert_eq!(change("role=web-"), Ok(set("role=web-")));
        assert_eq!(change("role-"), Ok(Change::Remove("role".to_owned())));
        for wrong in ["role", "-", "Role=x"] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
    }
}
