//! Documents laid over a fleet before anybody applies them: for drafts, and for files without a
//! server. Pure.

use super::model::{Peer, PortPolicySpec, PrefixListSpec, SecurityGroupSpec};
use super::resolve::{Fleet, Member};
use crate::resolve::Server;
use palisade_core::{HostId, HostIdError, HostKind, Profile, Tags, region_rule};
use palisade_guard::Serve;
use palisade_guard::api::ApiError;
use palisade_guard::kind::{nearest, spec_of};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

/// The kinds that decide what is filtered, as they stand in documents.
pub const KINDS: [&str; 4] = ["Host", "PortPolicy", "PrefixList", "SecurityGroup"];
/// Addresses of one host in a file.
const ADDRESSES_MAX: usize = 64;

/// A host as a file describes it: the document that the server takes, and what only an agent or a file
/// can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HostSpec {
    #[serde(rename = "kind")]
    _kind: HostKind,
    region: Option<String>,
    tags: Tags,
    #[serde(rename = "profile")]
    _profile: Option<Profile>,
    address: Option<String>,
    /// Where groups find it; only in files, since an agent reports its own.
    addresses: Vec<String>,
}

/// Lays one document over the fleet: it takes the place of the one of its name. An error names the
/// part that is wrong: `spec.rules[3].ports[0]`.
pub fn lay(fleet: &mut Fleet, document: &Value) -> Result<(), ApiError> {
    let kind = kind_of(document)?;
    let name = document["name"].as_str().ok_or_else(|| ApiError::invalid("a name is a text").at("name"))?;
    let (name, spec) = normal(kind, name, &document["spec"])?;
    match kind {
        "SecurityGroup" => _ = fleet.groups.insert(name, spec_of::<SecurityGroupSpec>(&spec)?),
        "PrefixList" => _ = fleet.lists.insert(name, spec_of::<PrefixListSpec>(&spec)?),
        "PortPolicy" => _ = fleet.policies.insert(name, spec_of::<PortPolicySpec>(&spec)?),
        _ => host(fleet, &name, &spec)?,
    }
    Ok(())
}

fn kind_of(document: &Value) -> Result<&'static str, ApiError> {
    let given = document["kind"].as_str().unwrap_or_default();
    // people write the kind in any case
    let same = |kind: &&&str| kind.eq_ignore_ascii_case(given);
    KINDS.iter().find(same).copied().ok_or_else(|| {
        let error = ApiError::invalid(format!("the firewall has no kind `{}`", given.escape_debug())).at("kind");
        match nearest(given, KINDS.into_iter()) {
            Some(kind) => error.hint(format!("did you mean `{kind}`?")),
            None => error.hint(format!("the kinds are {}", KINDS.join(", "))),
        }
    })
}

/// As the kind itself writes it; a `Host` is the frame's, and is checked where it is read.
fn normal(kind: &str, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
    match Server::default().kinds().into_iter().find(|k| k.name() == kind) {
        Some(found) => found.normalise(name, spec),
        None => Ok((name.to_owned(), spec.clone())),
    }
}

/// Tags and region are replaced; addresses only where the document names some.
fn host(fleet: &mut Fleet, name: &str, spec: &Value) -> Result<(), ApiError> {
    let id: HostId = name.parse().map_err(|e: HostIdError| ApiError::invalid(e).at("name"))?;
    let spec: HostSpec = spec_of(spec)?;
    spec.region.as_deref().map_or(Ok(()), region_rule).map_err(|why| ApiError::invalid(why).at("spec.region"))?;
    let mut addresses = addresses(&spec.addresses)?;
    // a name is not looked up: what a file means must not depend on the network
    addresses.extend(spec.address.as_deref().and_then(|text| text.parse::<IpAddr>().ok()).map(|a| a.to_canonical()));
    let place = fleet.hosts.partition_point(|member| member.id < id);
    match fleet.hosts.get_mut(place).filter(|member| member.id == id) {
        Some(member) => {
            (member.tags, member.region) = (spec.tags, spec.region);
            if !addresses.is_empty() {
                member.addresses = addresses;
            }
        }
        None => {
            let (tags, region) = (spec.tags, spec.region);
            let member = Member { id, tags, region, addresses, databases: Vec::new(), isolated: false };
            fleet.hosts.insert(place, member);
        }
    }
    Ok(())
}

fn addresses(given: &[String]) -> Result<Vec<IpAddr>, ApiError> {
    if given.len() > ADDRESSES_MAX {
        let why = format!("{} addresses, and a host has at most {ADDRESSES_MAX}", given.len());
        return Err(ApiError::invalid(why).at("spec.addresses"));
    }
    let one = |(n, text): (usize, &String)| {
        let shown = text.chars().take(64).flat_map(char::escape_default).collect::<String>();
        let refused = |why: &str| ApiError::invalid(format!("`{shown}` {why}")).at(format!("spec.addresses[{n}]"));
        let address = text.parse::<IpAddr>().map_err(|_| refused("is no address"))?.to_canonical();
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return Err(refused("is reached on no other host").hint("leave it out"));
        }
        Ok(address)
    };
    given.iter().enumerate().map(one).collect()
}

/// Peers that nobody stands behind, in sentences: rules that name them stay, and match nobody there.
pub fn unresolved(fleet: &Fleet) -> Vec<String> {
    let mut said = Vec::new();
    for (name, group) in &fleet.groups {
        for (n, rule) in group.rules.iter().enumerate() {
            let id = rule.id.clone().unwrap_or_else(|| n.to_string());
            let missing = rule.peers.iter().filter_map(|peer| Some((peer, why_nobody(fleet, peer)?)));
            said.extend(missing.map(|(peer, why)| format!("rule {name}/{id}: `{peer}` matches nobody: {why}")));
        }
    }
    said
}

/// Why nobody stands behind a peer; `None` if somebody does, or if only the host itself knows.
fn why_nobody(fleet: &Fleet, peer: &Peer) -> Option<String> {
    let with_address = |member: &&Member| !member.addresses.is_empty();
    match peer {
        Peer::Any | Peer::Cidr(_) | Peer::Interface(_) => None,
        Peer::List(name) => match fleet.lists.get(name) {
            None => Some(format!("there is no prefix list `{name}`")),
            Some(list) => list.prefixes.is_empty().then(|| "the list is empty".to_owned()),
        },
        Peer::Group(name) => {
            let Some(group) = fleet.groups.get(name) else {
                return Some(format!("there is no security group `{name}`"));
            };
            let chosen = |m: &&Member| group.members.holds(&m.id, &m.tags, m.region.as_deref());
            nobody(fleet.hosts.iter().filter(chosen).collect(), "the group has no members", with_address)
        }
        Peer::Domain(name) => {
            let tagged = fleet.hosts.iter().filter(|m| m.tags.get("domain") == Some(name)).collect();
            nobody(tagged, "no host has this tag `domain`", with_address)
        }
        Peer::Host(id) => {
            let found = fleet.hosts.iter().filter(|m| m.id == *id).collect();
            nobody(found, "there is no such host", with_address)
        }
    }
}

fn nobody(members: Vec<&Member>, none: &str, with_address: impl Fn(&&Member) -> bool) -> Option<String> {
    if members.is_empty() {
        return Some(none.to_owned());
    }
    (!members.iter().any(with_address)).then(|| "no address of it is known".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn document(kind: &str, name: &str, spec: Value) -> Value {
        json!({ "kind": kind, "name": name, "spec": spec })
    }

    fn refused(document: &Value) -> String {
        let error = lay(&mut Fleet::default(), document).unwrap_err();
        let hint = error.hinted().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{}: {}{hint}", error.path().unwrap_or_default(), error.message())
    }

    #[test]
    fn a_document_takes_the_place_of_the_one_of_its_name() {
        let mut fleet = Fleet::default();
        for spec in [json!({ "addresses": ["198.51.100.7"] }), json!({ "tags": { "role": "web" } })] {
            lay(&mut fleet, &document("Host", "web-1", spec)).unwrap();
        }
        lay(&mut fleet, &document("Host", "db-1", json!({ "kind": "agentless", "address": "198.51.100.9" }))).unwrap();
        let said: Vec<String> = fleet.hosts.iter().map(|m| format!("{} {:?}", m.id, m.addresses)).collect();
        assert_eq!(said, ["db-1 [198.51.100.9]", "web-1 [198.51.100.7]"], "sorted; no addresses given leaves them");
        assert_eq!(fleet.hosts[1].tags.get("role"), Some("web"));
        lay(&mut fleet, &document("securitygroup", "web", json!({ "rules": [] }))).unwrap();
        assert!(fleet.groups.contains_key("web"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (given, expected) in [
            (
                document("SecurtyGroup", "x", json!({})),
                "kind: the firewall has no kind `SecurtyGroup`; did you mean `SecurityGroup`?",
            ),
            (
                document("Probe", "x", json!({})),
                "kind: the firewall has no kind `Probe`; the kinds are Host, PortPolicy, PrefixList, SecurityGroup",
            ),
            (document("Host", "a/b", json!({})), "name: "),
            (
                document("Host", "a", json!({ "adresses": [] })),
                "spec.adresses: unknown field `adresses`; did you mean `addresses`?",
            ),
            (
                document("Host", "a", json!({ "addresses": ["198.51.100.7", "127.0.0.1"] })),
                "spec.addresses[1]: `127.0.0.1` is reached on no other host",
            ),
            (
                document("Host", "a", json!({ "addresses": ["web.example.org"] })),
                "spec.addresses[0]: `web.example.org` is no address",
            ),
            (
                document(
                    "SecurityGroup",
                    "web",
                    json!({ "rules": [{ "action": "allow", "protocol": "tcp", "ports": ["90-80"], "peers": ["any"] }] }),
                ),
                "spec.rules[0].ports[0]: ",
            ),
        ] {
            assert!(refused(&given).starts_with(expected), "{given}: {}", refused(&given));
        }
    }

    #[test]
    fn peers_behind_whom_nobody_stands_are_named_with_the_reason() {
        let mut fleet = Fleet::default();
        let rule = json!({ "id": "ssh", "action": "allow", "protocol": "tcp", "ports": [22],
            "peers": ["list:office", "group:ops", "domain:prod", "host:db-1", "host:web-1", "203.0.113.9"] });
        let web = json!({ "members": { "hosts": ["web-1"] }, "rules": [rule] });
        lay(&mut fleet, &document("SecurityGroup", "web", web)).unwrap();
        lay(&mut fleet, &document("Host", "web-1", json!({ "tags": { "domain": "prod" } }))).unwrap();
        let mut said: Vec<String> =
            unresolved(&fleet).iter().map(|s| s.trim_start_matches("rule web/ssh: ").to_owned()).collect();
        said.sort();
        assert_eq!(
            said,
            [
                "`domain:prod` matches nobody: no address of it is known",
                "`group:ops` matches nobody: there is no security group `ops`",
                "`host:db-1` matches nobody: there is no such host",
                "`host:web-1` matches nobody: no address of it is known",
                "`list:office` matches nobody: there is no prefix list `office`",
            ]
        );
        lay(&mut fleet, &document("Host", "web-1", json!({ "addresses": ["198.51.100.7"] }))).unwrap();
        assert_eq!(unresolved(&fleet).len(), 4, "the host has an address, and no longer the tag");
    }
}
