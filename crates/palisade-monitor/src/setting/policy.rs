//! What all resources together say about each host; pure but for the reading.

use super::kind::{ProcessWatchSpec, SamplingSpec};
use super::{INTERVAL_S, SettingSpec, WATCHES_MAX, WatchSpec};
use crate::scope::{Group, Groups};
use crate::server_watch::kind::{SERVER_WATCH, ServerWatchSpec};
use crate::server_watch::{Secret, WATCHES_MAX as SERVER_WATCHES_MAX, WatchSpec as WatchOfServer};
use palisade_core::HostId;
use palisade_guard::GuardError;
use palisade_guard::kind::SpecChange;
use palisade_guard::store::{self, HostRow};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// The kinds by their names in documents.
pub(super) const SAMPLING: &str = "Sampling";
pub(super) const PROCESS_WATCH: &str = "ProcessWatch";
const RESOURCE_GROUP: &str = "ResourceGroup";

/// Every resource that says something about sampling, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    samplings: BTreeMap<String, SamplingSpec>,
    watches: BTreeMap<String, ProcessWatchSpec>,
    server_watches: BTreeMap<String, ServerWatchSpec>,
    groups: Groups,
}

impl Policy {
    /// As it stands.
    pub async fn read(db: &mut SqliteConnection) -> Result<Policy, GuardError> {
        let samplings = all(db, SAMPLING).await?;
        let watches = all(db, PROCESS_WATCH).await?;
        let server_watches: BTreeMap<String, ServerWatchSpec> = all(db, SERVER_WATCH).await?;
        if samplings.is_empty() && watches.is_empty() && server_watches.is_empty() {
            return Ok(Policy::default()); // groups alone say nothing
        }
        Ok(Policy { samplings, watches, server_watches, groups: all(db, RESOURCE_GROUP).await? })
    }

    /// As [`Policy::read`], with the groups even if nothing refers to them yet.
    pub(crate) async fn with_groups(db: &mut SqliteConnection) -> Result<Policy, GuardError> {
        Ok(Policy { groups: all(db, RESOURCE_GROUP).await?, ..Policy::read(db).await? })
    }

    /// True when every host has the default.
    pub fn is_empty(&self) -> bool {
        self.samplings.is_empty() && self.watches.is_empty() && self.server_watches.is_empty()
    }

    /// After these changes of one of our kinds, or of groups.
    pub(crate) fn changed(mut self, kind: &str, changes: &[SpecChange]) -> Policy {
        for change in changes {
            match kind {
                SAMPLING => put(&mut self.samplings, change),
                PROCESS_WATCH => put(&mut self.watches, change),
                SERVER_WATCH => put(&mut self.server_watches, change),
                _ => put::<Group>(&mut self.groups, change),
            }
        }
        self
    }

    /// Whether the resource of one of our kinds is for the host.
    pub(crate) fn reaches(&self, kind: &str, name: &str, host: &HostRow) -> bool {
        let scope = match kind {
            SAMPLING => self.samplings.get(name).map(|spec| &spec.scope),
            SERVER_WATCH => self.server_watches.get(name).map(|spec| &spec.scope),
            _ => self.watches.get(name).map(|spec| &spec.scope),
        };
        scope.is_some_and(|scope| scope.holds_agent(host, &self.groups))
    }

    /// How many watches there are for the host.
    pub(super) fn watch_count(&self, host: &HostRow) -> usize {
        self.watches.values().filter(|watch| watch.scope.holds_agent(host, &self.groups)).count()
    }

    /// The watches of the server that are for the host, by name.
    pub(crate) fn of_server(&self, host: &HostRow) -> impl Iterator<Item = (&String, &ServerWatchSpec)> {
        self.server_watches.iter().filter(|(_, watch)| watch.scope.holds_agent(host, &self.groups))
    }

    /// The spec of a host, with the names of secrets in their places. Of several Samplings the shortest interval counts.
    pub fn spec(&self, host: &HostRow) -> SettingSpec {
        let intervals = self.samplings.values().filter(|s| s.scope.holds_agent(host, &self.groups));
        let watches = self.watches.iter().filter(|(_, w)| w.scope.holds_agent(host, &self.groups));
        let watch = |(name, spec): (&String, &ProcessWatchSpec)| WatchSpec {
            watch: name.clone(),
            name: spec.name.clone(),
            unit: spec.unit.clone(),
            user: spec.user.clone(),
            command: spec.command.clone(),
        };
        SettingSpec {
            interval_s: intervals.filter_map(SamplingSpec::interval_s).min().unwrap_or(INTERVAL_S),
            watches: watches.take(WATCHES_MAX).map(watch).collect(),
            cover: None,
            server_watches: self.of_server(host).take(SERVER_WATCHES_MAX).map(of_document).collect(),
        }
    }
}

/// The hosts whose spec differs.
pub(crate) fn moved(before: &Policy, after: &Policy, hosts: &[HostRow]) -> Vec<HostId> {
    hosts.iter().filter(|host| before.spec(host) != after.spec(host)).map(|host| host.id.clone()).collect()
}

/// The hosts whose sampling these changes of ResourceGroups alter: their generation has to be raised.
/// To be asked before the changes are stored.
pub async fn moved_by_groups(db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<Vec<HostId>, GuardError> {
    let before = Policy::read(db).await?;
    if before.is_empty() {
        return Ok(Vec::new());
    }
    let after = before.clone().changed(RESOURCE_GROUP, changes);
    Ok(moved(&before, &after, &store::hosts(db).await?))
}

/// A document as a host gets it, but for the secret, of which this is the name.
fn of_document((name, spec): (&String, &ServerWatchSpec)) -> WatchOfServer {
    let ServerWatchSpec { after, channel, .. } = spec.clone();
    WatchOfServer {
        name: name.clone(),
        after_s: u32::try_from(after.as_secs()).unwrap_or(u32::MAX),
        url: channel.url,
        secret: channel.secret.map(Secret),
        ca_pem: channel.ca_pem,
        allow_private: channel.allow_private,
    }
}

fn put<T: DeserializeOwned>(into: &mut BTreeMap<String, T>, change: &SpecChange) {
    match change.new.as_ref().and_then(|spec| read(&change.name, spec)) {
        Some(spec) => into.insert(change.name.clone(), spec),
        None => into.remove(&change.name),
    };
}

async fn all<T: DeserializeOwned>(db: &mut SqliteConnection, kind: &str) -> Result<BTreeMap<String, T>, GuardError> {
    let rows = store::resources(db, kind, None).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.name.clone(), read(&row.name, &row.spec)?))).collect())
}

/// A spec that another version wrote and this one cannot read says nothing.
fn read<T: DeserializeOwned>(name: &str, spec: &Value) -> Option<T> {
    let read = T::deserialize(spec);
    read.inspect_err(
        |error| tracing::warn!(guard = crate::WORD, name, %error, "a stored resource cannot be read; passed over"),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn host(name: &str, tag: &str) -> HostRow {
        let mut host = HostRow::new(name.parse().unwrap(), "2026-11-22T12:00:00Z".parse().unwrap());
        host.tags.set("role", tag).unwrap();
        host
    }

    fn change(name: &str, spec: Value) -> SpecChange {
        SpecChange { name: name.to_owned(), old: None, new: (!spec.is_null()).then_some(spec), written: None }
    }

    #[test]
    fn of_several_samplings_the_shortest_interval_counts() {
        let policy = Policy::default().changed(
            SAMPLING,
            &[
                change("all", json!({ "interval": "30s" })),
                change("web", json!({ "scope": { "tags": { "role": "web" } }, "interval": "5s" })),
            ],
        );
        assert_eq!(policy.spec(&host("a", "web")).interval_s, 5);
        assert_eq!(policy.spec(&host("b", "db")).interval_s, 30);
        assert_eq!(Policy::default().spec(&host("b", "db")).interval_s, 60);
    }

    #[test]
    fn a_change_names_exactly_the_hosts_whose_spec_it_alters() {
        let hosts = [host("a", "web"), host("b", "db"), host("c", "web")];
        let watch = change("nginx", json!({ "scope": { "tags": { "role": "web" } }, "name": "nginx" }));
        let before = Policy::default();
        let after = before.clone().changed(PROCESS_WATCH, std::slice::from_ref(&watch));
        let named = |hosts: Vec<HostId>| hosts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named(moved(&before, &after, &hosts)), ["a", "c"]);
        let gone = after.clone().changed(PROCESS_WATCH, &[change("nginx", Value::Null)]);
        assert_eq!(named(moved(&after, &gone, &hosts)), ["a", "c"]);
        assert!(moved(&before, &gone, &hosts).is_empty());
        // a longer interval beside a shorter one changes nothing
        let short = before.changed(SAMPLING, &[change("s", json!({ "interval": "2s" }))]);
        let both = short.clone().changed(SAMPLING, &[change("t", json!({ "interval": "20s" }))]);
        assert!(moved(&short, &both, &hosts).is_empty());
    }

    #[test]
    fn a_group_that_gets_a_member_alters_its_sampling() {
        let of_group = change("g", json!({ "scope": { "group": "front" }, "interval": "5s" }));
        let before = Policy::default().changed(SAMPLING, &[of_group]);
        let after = before.clone().changed(RESOURCE_GROUP, &[change("front", json!({ "hosts": ["a"] }))]);
        assert_eq!(moved(&before, &after, &[host("a", "x"), host("b", "x")]).len(), 1);
    }
}
