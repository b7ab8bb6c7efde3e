//! The kinds `SecurityGroup`, `PrefixList` and `PortPolicy`.

use super::fleet::{self, GROUP, LIST, POLICY};
use super::model::{GROUPS_MAX, Peer, PortPolicySpec, PrefixListSpec, SecurityGroupSpec};
use super::store::{self, DocumentRow};
use super::{normal, trial};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Held, Refused, SpecChange};
use palisade_guard::{GuardError, Kind};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topic of pages that show groups.
pub const TOPIC: &str = "firewall/groups";
/// A list of 100,000 IPv6 networks has 5 MB.
const SPEC_BYTES_MAX: usize = 8 << 20;
/// Names that no group may have: rules, counters and pages that belong to no group begin with them.
const RESERVED: &[&str] = &["default", "policy", "isolation", "intra", "domain", "starter"];
/// Documents that an error names.
const NAMED_MAX: usize = 3;

/// The kinds, each after those that it refers to.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    [Which::List, Which::Group, Which::Policy].into_iter().map(|which| Arc::new(which) as Arc<dyn Kind>).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Group,
    List,
    Policy,
}

impl Kind for Which {
    fn name(&self) -> &'static str {
        match self {
            Which::Group => GROUP,
            Which::List => LIST,
            Which::Policy => POLICY,
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Which::Group => "securitygroups",
            Which::List => "prefixlists",
            Which::Policy => "portpolicies",
        }
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        match self {
            Which::Group => "Hosts that are protected alike: who may reach them, and whom they may reach.",
            Which::List => "Networks under one name, for the rules of security groups.",
            Which::Policy => "Which ports are shut before any security group is asked: high-risk ports, databases.",
        }
    }

    fn after(&self) -> &'static [&'static str] {
        match self {
            Which::Group => &[LIST],
            Which::List => &[],
            Which::Policy => &[LIST, GROUP],
        }
    }

    fn topics(&self) -> &'static [&'static str] {
        &[TOPIC]
    }

    fn schema(&self) -> Value {
        match self {
            Which::Group => kind::schema_of::<SecurityGroupSpec>(),
            Which::List => kind::schema_of::<PrefixListSpec>(),
            Which::Policy => kind::schema_of::<PortPolicySpec>(),
        }
    }

    fn spec_bytes_max(&self) -> usize {
        SPEC_BYTES_MAX
    }

    fn together(&self) -> &'static str {
        "firewall/documents"
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        if *self == Which::Group && RESERVED.contains(&name) {
            let why = format!("`{name}` is no name for a security group: it stands before rules that belong to none");
            return Err(ApiError::invalid(why).at("name").hint("choose another one"));
        }
        let spec = match self {
            Which::Group => json!(normal::group(kind::spec_of(spec)?)?),
            Which::List => json!(normal::list(kind::spec_of(spec)?)?),
            Which::Policy => json!(normal::policy(kind::spec_of(spec)?)?),
        };
        Ok((name.to_owned(), spec))
    }

    fn held<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        only: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<Held>>, GuardError>> {
        Box::pin(async move {
            let mut held = Vec::new();
            for row in store::documents(db, Some(self.name()), only).await? {
                let Some(text) = &row.spec else { continue };
                let spec = store::read("document", text)?;
                held.push(Held { name: row.name, spec, by: Some(row.by), at: Some(row.at) });
            }
            Ok(Some(held))
        })
    }

    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(*self, asked, db, changes))
    }
}

async fn apply(
    which: Which,
    asked: &Asked<'_>,
    db: &mut SqliteConnection,
    changes: &[SpecChange],
) -> Result<Effects, Refused> {
    let undone = asked.plan.is_empty();
    for (index, change) in changes.iter().enumerate() {
        let refused = |error: ApiError| Refused { index: Some(index), error };
        if which == Which::Policy && !undone {
            in_time(change, asked.now).map_err(refused)?;
        }
        put(which, asked, db, change).await.map_err(refused)?;
    }
    store::revision_raise(&mut *db).await?;
    if undone {
        // what stood before is put back as it was, and the hosts are those of its plan
        return Ok(Effects::default());
    }
    known(which, db, changes).await?;
    if !asked.last {
        return Ok(Effects::default());
    }
    trial::judged(asked, db).await
}

fn in_time(change: &SpecChange, now: Timestamp) -> Result<(), ApiError> {
    let (Some(new), old) = (&change.new, &change.old) else { return Ok(()) };
    let new: PortPolicySpec = kind::spec_of(new)?;
    let old: Option<PortPolicySpec> = old.as_ref().map(kind::spec_of).transpose()?;
    normal::exceptions_end(&new, old.as_ref().map(|p| p.exceptions.as_slice()).unwrap_or_default(), now)
}

/// Writes a change. What stood before is kept until the plan is; to undo a plan, that is written back.
async fn put(which: Which, asked: &Asked<'_>, db: &mut SqliteConnection, change: &SpecChange) -> Result<(), ApiError> {
    let kind = which.name();
    let standing = store::documents(&mut *db, Some(kind), Some(&change.name)).await?.pop();
    let spec = store::written(change.new.as_ref());
    if asked.plan.is_empty() && spec.is_none() {
        store::document_delete(db, kind, &change.name).await?;
        return Ok(());
    }
    if let Some(row) = standing.as_ref().filter(|row| !row.plan.is_empty() && !asked.plan.is_empty()) {
        let why = format!("{kind} `{}` is on probation with plan `{}`", change.name, row.plan);
        return Err(
            ApiError::conflict(why).hint(format!("`palisade plan confirm {0}` or `rollback {0}` first", row.plan))
        );
    }
    let row = DocumentRow {
        kind: kind.to_owned(),
        name: change.name.clone(),
        spec,
        by: asked.caller.name.clone(),
        at: asked.now,
        plan: asked.plan.to_owned(),
        before: standing.filter(|_| !asked.plan.is_empty()).and_then(|row| row.spec),
        until: None,
    };
    Ok(store::document_put(db, &row).await?)
}

/// Everything that documents name must be there, and nothing may go that is named.
async fn known(which: Which, db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<(), Refused> {
    let rows = store::documents(&mut *db, None, None).await?;
    let names = |kind: &str| -> BTreeSet<&str> {
        rows.iter().filter(|row| row.kind == kind && row.spec.is_some()).map(|row| row.name.as_str()).collect()
    };
    let (groups, lists) = (names(GROUP), names(LIST));
    if groups.len() > GROUPS_MAX {
        return Err(Refused {
            index: None,
            error: ApiError::conflict(format!("more than {GROUPS_MAX} security groups")),
        });
    }
    let hosts: Vec<HostId> = palisade_guard::store::hosts_in_service(&mut *db).await?;
    let hosts: BTreeSet<&str> = hosts.iter().map(HostId::as_str).collect();
    for (index, change) in changes.iter().enumerate() {
        let refused = |error: ApiError| Refused { index: Some(index), error };
        let Some(new) = &change.new else {
            unnamed(which, &change.name, &rows).map_err(refused)?;
            continue;
        };
        for (n, m, peer) in peers(which, new)? {
            let (word, name, all) = match &peer {
                Peer::Group(name) => ("security group", name.as_str(), &groups),
                Peer::List(name) => ("prefix list", name.as_str(), &lists),
                Peer::Host(name) => ("host", name.as_str(), &hosts),
                _ => continue,
            };
            if !all.contains(name) {
                let place = place(which, change.written.as_ref(), (n, m), &peer);
                let error = ApiError::conflict(format!("there is no {word} `{name}`")).at(place);
                return Err(refused(match kind::nearest(name, all.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("make it first, or in the same change"),
                }));
            }
        }
    }
    Ok(())
}

/// The peers of a document, with the place of their rule, or exception, and their own in it.
fn peers(which: Which, spec: &Value) -> Result<Vec<(usize, usize, Peer)>, Refused> {
    let unreadable = |error| Refused { index: None, error };
    let placed = |n: usize, peers: Vec<Peer>| peers.into_iter().enumerate().map(move |(m, peer)| (n, m, peer));
    Ok(match which {
        Which::List => Vec::new(),
        Which::Group => {
            let spec: SecurityGroupSpec = kind::spec_of(spec).map_err(unreadable)?;
            spec.rules.into_iter().enumerate().flat_map(|(n, rule)| placed(n, rule.peers)).collect()
        }
        Which::Policy => {
            let spec: PortPolicySpec = kind::spec_of(spec).map_err(unreadable)?;
            spec.exceptions.into_iter().enumerate().flat_map(|(n, e)| placed(n, e.peers)).collect()
        }
    })
}

/// Where a peer stands: in the document as it was written, whose rules and peers are not sorted yet; as
/// stored where that is not known.
fn place(which: Which, written: Option<&Value>, (n, m): (usize, usize), peer: &Peer) -> String {
    let of = if which == Which::Policy { "exceptions" } else { "rules" };
    let rules = written.and_then(|spec| spec[of].as_array()).map(Vec::as_slice).unwrap_or_default();
    let is_it = |text: &Value| text.as_str().is_some_and(|text| text.parse::<Peer>().as_ref() == Ok(peer));
    let in_rule = |rule: &Value| rule["peers"].as_array().and_then(|peers| peers.iter().position(is_it));
    let found = rules.iter().enumerate().find_map(|(n, rule)| Some((n, in_rule(rule)?)));
    let (n, m) = found.unwrap_or((n, m));
    format!("spec.{of}[{n}].peers[{m}]")
}

/// Refuses to remove what a document names, or named before a plan that may be undone.
fn unnamed(which: Which, name: &str, rows: &[DocumentRow]) -> Result<(), ApiError> {
    let wanted = match which {
        Which::Group => Peer::Group(name.to_owned()),
        Which::List => Peer::List(name.to_owned()),
        Which::Policy => return Ok(()),
    };
    let mut by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| (row.kind.as_str(), row.name.as_str()) != (which.name(), name)) {
        for text in [&row.spec, &row.before].into_iter().flatten() {
            if names(&row.kind, text).contains(&wanted) {
                by.entry(&row.kind).or_default().insert(&row.name);
            }
        }
    }
    let all: Vec<String> = by.iter().flat_map(|(kind, of)| of.iter().map(move |n| format!("{kind} `{n}`"))).collect();
    if all.is_empty() {
        return Ok(());
    }
    let more = all.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let said = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    Err(ApiError::conflict(format!("`{wanted}` is named by {said}{more}")).hint("take it out of their rules first"))
}

fn names(kind: &str, text: &str) -> Vec<Peer> {
    let of_group = |spec: SecurityGroupSpec| spec.rules.into_iter().flat_map(|rule| rule.peers).collect();
    let of_policy = |spec: PortPolicySpec| spec.exceptions.into_iter().flat_map(|e| e.peers).collect();
    match kind {
        fleet::GROUP => serde_json::from_str(text).map(of_group).unwrap_or_default(),
        fleet::POLICY => serde_json::from_str(text).map(of_policy).unwrap_or_default(),
        _ => Vec::new(),
    }
}
