//! Sampling and ProcessWatch on the server: what hosts are told, and which.

use crate::api::{At, NoJournal};
use crate::stored::{NOON, Stored};
use palisade_core::{HostId, HostKind};
use palisade_guard::api::{ApiError, Caller, Role};
use palisade_guard::resource::{self, Applied, ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::store::{self as frame, HostRow};
use palisade_guard::{Kind, Serve, ServerContext};
use palisade_monitor::setting::{self, SettingSpec};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Four hosts, and what is applied to them.
pub struct Fleet {
    pub context: ServerContext,
    _stored: Stored,
}

impl Fleet {
    /// web-1 and web-2 are tagged `role: web`, db-1 is not, and a printer has no agent.
    pub async fn new() -> Fleet {
        let stored = Stored::new().await;
        let context = ServerContext::new(stored.db.clone(), Arc::new(At(NOON)), Arc::new(NoJournal), Vec::new());
        let mut tx = context.begin().await.unwrap();
        for (name, role, kind) in [
            ("db-1", "db", HostKind::Agent),
            ("printer", "web", HostKind::Agentless),
            ("web-1", "web", HostKind::Agent),
            ("web-2", "web", HostKind::Agent),
        ] {
            let mut row = HostRow { kind, ..HostRow::new(name.parse().unwrap(), context.now()) };
            row.tags.set("role", role).unwrap();
            frame::host_put(&mut tx, &row).await.unwrap();
        }
        tx.commit().await.unwrap();
        Fleet { context, _stored: stored }
    }

    pub async fn apply(&self, given: &[(&str, &str, Value)]) -> Result<Applied, ApplyError> {
        self.apply_by(&caller(), given).await
    }

    pub async fn apply_as_admin(&self, given: &[(&str, &str, Value)]) -> Result<Applied, ApplyError> {
        self.apply_by(&Caller { role: Role::Admin, ..caller() }, given).await
    }

    async fn apply_by(&self, caller: &Caller, given: &[(&str, &str, Value)]) -> Result<Applied, ApplyError> {
        let document = |(kind, name, spec): &(&str, &str, Value)| Document {
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
            version: None,
            replaces: None,
            spec: spec.clone(),
        };
        let params = ApplyParams::of(given.iter().map(document).collect());
        resource::apply(&self.context, &kinds(), caller, params).await
    }

    async fn refused(&self, given: &[(&str, &str, Value)]) -> ApiError {
        match self.apply(given).await {
            Err(ApplyError::Other(error)) => error,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    pub async fn spec(&self, host: &str) -> SettingSpec {
        let mut db = self.context.db.read().acquire().await.unwrap();
        let spec = setting::resolve(&mut db, &host.parse().unwrap(), Some(self.context.vault.as_ref())).await.unwrap();
        SettingSpec::deserialize(&spec.unwrap()).unwrap()
    }

    pub async fn scope(&self, host: &str) -> Option<String> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        setting::scope(&mut db, &host.parse().unwrap()).await.unwrap()
    }
}

fn kinds() -> Kinds {
    let all: Vec<Arc<dyn Kind>> = palisade_monitor::guard().server.as_deref().map(Serve::kinds).unwrap();
    Kinds::new(all)
}

fn caller() -> Caller {
    Caller { name: "ada".to_owned(), role: Role::Operator, address: None }
}

pub fn names(hosts: &[HostId]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

pub fn web() -> Value {
    json!({ "tags": { "role": "web" } })
}

#[tokio::test]
async fn a_sampling_reaches_the_hosts_of_its_scope_and_says_so() {
    let fleet = Fleet::new().await;
    let done = fleet.apply(&[("Sampling", "fast", json!({ "scope": web(), "interval": "10s" }))]).await.unwrap();
    assert_eq!(names(&done.plan.hosts), ["web-1", "web-2"]);
    assert_eq!(done.plan.effects[0].sentence, "`fast` asks for a sample every 10s on 2 hosts");
    assert_eq!((fleet.spec("web-1").await.interval_s, fleet.spec("db-1").await.interval_s), (10, 60));
    assert_eq!(fleet.spec("nobody").await, SettingSpec::default());
    // one more that is slower changes nothing for anybody
    let done = fleet.apply(&[("Sampling", "slow", json!({ "scope": web(), "interval": "1m" }))]).await.unwrap();
    assert!(done.plan.hosts.is_empty());
    let done =
        resource::delete(&fleet.context, &caller(), &kinds(), ("Sampling", "fast"), resource::Deleting::default())
            .await
            .unwrap();
    assert_eq!(names(&done.plan.hosts), ["web-1", "web-2"]);
    assert_eq!(fleet.spec("web-1").await, SettingSpec::default());
}

#[tokio::test]
async fn hosts_with_equal_specs_share_one() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.scope("web-1").await, fleet.scope("db-1").await);
    let watch = json!({ "scope": web(), "unit": "nginx", "user": "www-data" });
    let done = fleet.apply(&[("ProcessWatch", "nginx", watch)]).await.unwrap();
    assert_eq!(done.plan.effects[0].sentence, "the processes of `nginx` are watched on 2 hosts");
    assert_eq!(fleet.scope("web-1").await, fleet.scope("web-2").await);
    assert_ne!(fleet.scope("web-1").await, fleet.scope("db-1").await);
    let watches = fleet.spec("web-2").await.watches;
    assert_eq!((watches[0].watch.as_str(), watches[0].unit.as_deref()), ("nginx", Some("nginx.service")));
}

#[tokio::test]
async fn what_is_wrong_is_refused_where_it_stands() {
    let fleet = Fleet::new().await;
    for (kind, name, spec, path) in [
        ("Sampling", "a", json!({ "interval": "0s" }), "resources[0].spec.interval"),
        ("Sampling", "a", json!({ "interval": "2m" }), "resources[0].spec.interval"),
        ("Sampling", "a", json!({ "interval": "1500ms" }), "resources[0].spec.interval"),
        ("Sampling", "a", json!({ "interval": "soon" }), "resources[0].spec.interval"),
        ("Sampling", "A", json!({ "interval": "5s" }), "resources[0].name"),
        ("ProcessWatch", "a", json!({}), "resources[0].spec"),
        ("ProcessWatch", "a", json!({ "command": "a(" }), "resources[0].spec.command"),
        ("ProcessWatch", "a", json!({ "command": "(x{1000}){1000}" }), "resources[0].spec.command"),
        ("ProcessWatch", "a", json!({ "nam": "x" }), "resources[0].spec.nam"),
        ("ProcessWatch", "a", json!({ "name": "x".repeat(257) }), "resources[0].spec"),
    ] {
        let error = fleet.refused(&[(kind, name, spec.clone())]).await;
        assert_eq!((error.status().as_u16(), error.path()), (400, Some(path)), "{spec}: {error:?}");
    }
}

#[tokio::test]
async fn a_host_has_64_watches_and_no_more() {
    let fleet = Fleet::new().await;
    let named: Vec<String> = (0..65).map(|n| format!("w-{n:02}")).collect();
    let watch = |name: &'static str| json!({ "scope": { "hosts": ["db-1"] }, "name": name });
    let all: Vec<(&str, &str, Value)> = named.iter().map(|name| ("ProcessWatch", name.as_str(), watch("x"))).collect();
    let done = fleet.apply(&all[..64]).await.unwrap();
    assert_eq!(names(&done.plan.hosts), ["db-1"]);
    let error = fleet.refused(&all[64..]).await;
    assert_eq!((error.status().as_u16(), error.path()), (409, Some("resources[0].spec.scope")), "{error:?}");
    assert_eq!(fleet.spec("db-1").await.watches.len(), 64);
    // one goes, another comes, in one change
    let removed =
        resource::delete(&fleet.context, &caller(), &kinds(), ("ProcessWatch", "w-00"), resource::Deleting::default())
            .await;
    removed.unwrap();
    fleet.apply(&all[64..]).await.unwrap();
}
