//! `palisade firewall group …` and `policy show`: what filters hosts, and what each rule has decided.

use super::list;
use anyhow::Result;
use clap::Subcommand;
use palisade_core::HostId;
use palisade_guard::cli::{CliContext, Output, cell, file, printable, query, table};
use serde_json::Value;

/// Members that are named; the rest is counted.
const MEMBERS_NAMED_MAX: usize = 10;

#[derive(Debug, Subcommand)]
pub enum GroupVerb {
    /// Show the security groups, with how many hosts and rules they have
    List,
    /// Show one group: its members and its rules in the order in which they are asked
    Show {
        /// Its name
        name: String,
        /// As a document that `palisade apply` takes
        #[arg(short = 'o', value_enum, value_name = "FORM")]
        form: Option<Form>,
    },
    /// Write first groups from what listens, for `palisade apply -f`
    Propose {
        /// Only for this host; may be given several times
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<HostId>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A document that can be applied
    Yaml,
    /// What the API says
    Json,
}

#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Show all rules of a host in the order in which they are asked, whatever they come from
    Show {
        /// The host; with --local this one
        host: Option<HostId>,
    },
}

pub async fn group(verb: GroupVerb, context: &CliContext) -> Result<()> {
    match verb {
        GroupVerb::List => groups(context).await,
        GroupVerb::Propose { hosts } => super::exposure::propose(hosts, context).await,
        GroupVerb::Show { name, form: Some(Form::Yaml) } => {
            let path = format!("/api/v1/resources/SecurityGroup/{}", segment(&name));
            let resource = context.client.call("GET", &path, None).await?;
            print!("{}", file::yaml(&[resource])?);
            Ok(())
        }
        GroupVerb::Show { name, form } => {
            let group =
                context.client.call("GET", &format!("/api/v1/firewall/groups/{}", segment(&name)), None).await?;
            if form == Some(Form::Json) || context.output == Output::Json {
                println!("{group:#}");
            } else {
                print!("{}", group_said(&group));
            }
            Ok(())
        }
    }
}

async fn groups(context: &CliContext) -> Result<()> {
    let columns = ["name", "hosts", "in", "out", "off", "unresolved", "members", "probation", "changed", "by"];
    let fields = [
        "name",
        "hosts_total",
        "rules_in",
        "rules_out",
        "rules_disabled",
        "unresolved",
        "intra",
        "probation",
        "updated_at",
        "updated_by",
    ];
    list(context, "/api/v1/firewall/groups?limit=1000", &columns, &fields).await
}

pub async fn policy(verb: PolicyVerb, context: &CliContext) -> Result<()> {
    let PolicyVerb::Show { host } = verb;
    let path = query("/api/v1/firewall/effective", &[("host", host.as_ref().map(HostId::as_str))]);
    let effective = context.client.call("GET", &path, None).await?;
    if context.output == Output::Json {
        println!("{effective:#}");
    } else {
        print!("{}", effective_said(&effective));
    }
    Ok(())
}

/// A group for people: a head of a few lines, then its rules.
fn group_said(group: &Value) -> String {
    let mut lines = vec![title(&cell(group, "name"), group["description"].as_str())];
    lines.push(members_said(group));
    lines.extend(defaults_said(&group["defaults"]));
    lines.extend(probation_said(&group["probation"]));
    let head: String = lines.iter().map(|line| printable(line) + "\n").collect();
    let columns =
        ["rule", "priority", "direction", "action", "protocol", "ports", "peers", "24h", "packets", "last hit", ""];
    let rows = items(&group["rules"]).iter().map(|item| {
        let rule = &item["rule"];
        let mut row: Vec<String> =
            ["priority", "direction", "action", "protocol"].map(|field| cell(rule, field)).to_vec();
        row.insert(0, cell(item, "id"));
        row.push(all_if_empty(rule, "ports"));
        row.push(cell(rule, "peers"));
        row.extend(["packets_24h", "packets", "last_hit_at"].map(|field| cell(item, field)));
        row.push(notes(item).join("; "));
        row
    });
    head + &table(&columns, rows)
}

fn title(name: &str, description: Option<&str>) -> String {
    match description.filter(|text| !text.is_empty()) {
        Some(text) => format!("{name}: {text}"),
        None => name.to_owned(),
    }
}

fn members_said(group: &Value) -> String {
    let hosts = items(&group["hosts"]);
    let total = group["hosts_total"].as_u64().unwrap_or(hosts.len() as u64);
    let named: Vec<&str> = hosts.iter().filter_map(Value::as_str).take(MEMBERS_NAMED_MAX).collect();
    let more = total.saturating_sub(named.len() as u64);
    let list = match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" ({})", named.join(", ")),
        (false, more) => format!(" ({} and {more} more)", named.join(", ")),
    };
    let hosts = if total == 1 { "1 host".to_owned() } else { format!("{total} hosts") };
    let intra = if group["intra"] == "allow" { "reach each other" } else { "reach each other only by a rule" };
    format!("members: {hosts}{list}, who {intra}")
}

/// What becomes of packets that no rule decides.
fn defaults_said(defaults: &Value) -> Option<String> {
    let of = |field: &str| defaults[field].as_str();
    Some(format!("no rule matches: in {}, out {}", of("inbound")?, of("outbound")?))
}

/// How a change on probation is kept.
pub fn probation_said(probation: &Value) -> Option<String> {
    let (plan, until) = (probation["plan"].as_str()?, probation["until"].as_str()?);
    Some(format!(
        "on probation until {until}: `palisade plan confirm {plan}` keeps it, `palisade plan rollback {plan}` undoes it"
    ))
}

/// What is worth knowing of a rule beside what it says.
fn notes(item: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if item["rule"]["enabled"] == false {
        notes.push("switched off".to_owned());
    }
    notes.extend(item["rule"]["ends_at"].as_str().map(|end| format!("until {end}")));
    notes.extend(item["shadowed_by"].as_str().map(|id| format!("never asked: {id} decides before")));
    let nobody = items(&item["peers"]).iter().filter(|peer| peer["resolved"] == false);
    notes.extend(nobody.map(|peer| {
        let why = peer["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} is nobody{why}", cell(peer, "peer"))
    }));
    notes
}

/// The rules of one host for people.
fn effective_said(effective: &Value) -> String {
    let mut lines = vec![title(&cell(effective, "host"), effective["sentence"].as_str())];
    lines.extend(effective["generation"].as_u64().map(|n| format!("generation: {n}")));
    lines.extend(probation_said(&effective["probation"]));
    let head: String = lines.iter().map(|line| printable(line) + "\n").collect();
    if effective["filtered"] == false {
        return head;
    }
    let columns = [
        "rule",
        "layer",
        "priority",
        "direction",
        "action",
        "protocol",
        "ports",
        "peers",
        "addresses",
        "24h",
        "packets",
        "last hit",
        "ends",
    ];
    let rows = items(&effective["rules"]).iter().map(|rule| {
        let mut row: Vec<String> =
            ["id", "layer", "priority", "direction", "action", "protocol"].map(|field| cell(rule, field)).to_vec();
        row.push(all_if_empty(rule, "ports"));
        row.extend(["peers", "addresses", "packets_24h", "packets", "last_hit_at", "ends_at"].map(|f| cell(rule, f)));
        row
    });
    let last = defaults_said(&effective["defaults"]).map(|said| said + "\n").unwrap_or_default();
    head + &table(&columns, rows) + &last
}

/// A list that means everything when it is empty.
fn all_if_empty(value: &Value, field: &str) -> String {
    let said = cell(value, field);
    if said.is_empty() || value[field].is_null() { "all".to_owned() } else { said }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// A name as one segment of a path: names of groups need no escapes, what is no name finds nothing.
pub fn segment(name: &str) -> String {
    query("", &[("", Some(name))]).trim_start_matches("?=").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_group_is_printed_with_its_rules_their_hits_and_what_is_wrong_with_them() {
        let group = json!({
            "name": "web", "description": "what the world sees\u{1b}[2J", "intra": "isolate",
            "hosts": ["web-1", "web-2"], "hosts_total": 12, "defaults": { "inbound": "deny", "outbound": "allow" },
            "probation": { "plan": "p-7", "until": "2026-11-22T12:01:00Z" },
            "rules": [
                { "id": "web/ssh", "rule": { "direction": "in", "priority": 10, "action": "allow", "protocol": "tcp",
                    "ports": ["22"], "peers": ["group:ops"] },
                  "peers": [{ "peer": "group:ops", "addresses": 0, "resolved": false, "why": "the group has no members" }],
                  "packets": 0, "packets_24h": 0 },
                { "id": "web/http", "rule": { "direction": "in", "priority": 20, "action": "allow", "protocol": "tcp",
                    "ports": ["80", "443"], "peers": ["any"] }, "peers": [], "packets": 1207, "packets_24h": 31,
                  "last_hit_at": "2026-11-22T11:59:58Z" },
                { "id": "web/gre", "rule": { "direction": "out", "priority": 50, "action": "deny", "protocol": "gre",
                    "peers": ["any"], "enabled": false }, "peers": [], "packets": 0, "packets_24h": 0,
                  "shadowed_by": "web/http" },
            ],
        });
        let expected = "\
web: what the world sees\\u{1b}[2J
members: 12 hosts (web-1, web-2 and 10 more), who reach each other only by a rule
no rule matches: in deny, out allow
on probation until 2026-11-22T12:01:00Z: `palisade plan confirm p-7` keeps it, `palisade plan rollback p-7` undoes it
RULE      PRIORITY  DIRECTION  ACTION  PROTOCOL  PORTS    PEERS      24H  PACKETS  LAST HIT
web/ssh   10        in         allow   tcp       22       group:ops  0    0        –                     group:ops is nobody: the group has no members
web/http  20        in         allow   tcp       80, 443  any        31   1207     2026-11-22T11:59:58Z
web/gre   50        out        deny    gre       all      any        0    0        –                     switched off; never asked: web/http decides before
";
        assert_eq!(group_said(&group), expected);
    }

    #[test]
    fn the_rules_of_a_host_are_printed_in_order_with_the_default_last() {
        let rule = json!({ "id": "policy/high-risk-tcp", "layer": "policy", "priority": 50, "direction": "in", "action": "deny",
            "protocol": "tcp", "ports": ["135", "137-139"], "peers": ["any"], "addresses": 0, "packets": 3, "packets_24h": 3 });
        let effective = json!({ "host": "web-1", "generation": 7, "filtered": true, "sentence": "2 groups, 1 rule",
            "rules": [rule], "defaults": { "inbound": "deny", "outbound": "allow" } });
        let expected = "\
web-1: 2 groups, 1 rule
generation: 7
RULE                  LAYER   PRIORITY  DIRECTION  ACTION  PROTOCOL  PORTS         PEERS  ADDRESSES  24H  PACKETS  LAST HIT  ENDS
policy/high-risk-tcp  policy  50        in         deny    tcp       135, 137-139  any    0          3    3        –         –
no rule matches: in deny, out allow
";
        assert_eq!(effective_said(&effective), expected);
        let open = json!({ "host": "db-1", "filtered": false, "sentence": "no group and no policy chooses this host" });
        assert_eq!(effective_said(&open), "db-1: no group and no policy chooses this host\n");
    }
}
