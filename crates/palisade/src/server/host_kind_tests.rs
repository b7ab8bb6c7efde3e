//! Hosts as resources, on a real database file.
#![allow(clippy::unwrap_used)]

use super::*;
use palisade_core::{Event, SystemClock};
use palisade_guard::ServerContext;
use palisade_guard::api::Caller;
use palisade_guard::context::RecordEvent;
use palisade_guard::db::Database;
use palisade_guard::resource::{self, Applied, ApplyError, ApplyParams, Document, Kinds};
use std::sync::Arc;

struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

struct Bench {
    context: ServerContext,
    kinds: Kinds,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// A server that the host `web-1` has joined.
    async fn start() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).await.unwrap();
        db.migrate("frame", store::MIGRATIONS).await.unwrap();
        let context = ServerContext::new(db, Arc::new(SystemClock), Arc::new(NoJournal), Vec::new());
        let bench = Bench { context, kinds: Kinds::new(vec![Arc::new(HostResource)]), _dir: dir };
        bench.put(&HostRow::new("web-1".parse().unwrap(), bench.context.now())).await;
        bench
    }

    async fn put(&self, row: &HostRow) {
        let mut tx = self.context.begin().await.unwrap();
        store::host_put(&mut tx, row).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn row(&self, name: &str) -> Option<HostRow> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        store::host(&mut db, &name.parse().unwrap()).await.unwrap()
    }

    /// Applies to what stands, whatever that is.
    async fn apply_as(&self, role: Role, name: &str, spec: Value) -> Result<Applied, ApplyError> {
        let version = self.shown(name).await.map_or(0, |row| row.version);
        let document =
            Document { kind: "host".to_owned(), name: name.to_owned(), version: Some(version), replaces: None, spec };
        let caller = Caller { name: "anna".to_owned(), role, address: None };
        let params = ApplyParams::of(vec![document]);
        resource::apply(&self.context, &self.kinds, &caller, params).await
    }

    async fn apply(&self, name: &str, spec: Value) -> Result<Applied, ApplyError> {
        self.apply_as(Role::Admin, name, spec).await
    }

    async fn refused(&self, name: &str, spec: Value) -> ApiError {
        match self.apply(name, spec).await {
            Err(ApplyError::Other(error)) => error,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    async fn delete(&self, role: Role, name: &str) -> Result<Applied, ApplyError> {
        let caller = Caller { name: "anna".to_owned(), role, address: None };
        resource::delete(&self.context, &caller, &self.kinds, ("Host", name), resource::Deleting::default()).await
    }

    async fn shown(&self, name: &str) -> Option<store::ResourceRow> {
        resource::list(&self.context, &HostResource, Some(name)).await.unwrap().pop()
    }
}

fn status(done: Result<Applied, ApplyError>) -> u16 {
    match done {
        Ok(_) => 200,
        Err(ApplyError::Conflict(_)) => 409,
        Err(ApplyError::Other(error)) => error.status().as_u16(),
    }
}

#[tokio::test]
async fn region_tags_and_profile_of_a_host_are_changed_and_said() {
    let bench = Bench::start().await;
    let spec = json!({ "region": "eu-1", "tags": { "role": "web" }, "profile": "protect" });
    let done = bench.apply("web-1", spec).await.unwrap();
    let said: Vec<&str> = done.plan.effects.iter().map(|e| e.sentence.as_str()).collect();
    assert_eq!(
        said,
        [
            "web-1 goes from profile observe to protect",
            "web-1 moves from no region to eu-1",
            "web-1 is tagged role=web"
        ]
    );
    assert!(done.plan.hosts.is_empty(), "no guard's spec has changed: nobody reports");
    let done = bench.apply("web-1", json!({ "region": "eu-1" })).await.unwrap();
    assert_eq!(done.plan.effects[0].severity, Severity::Medium, "less protection comes first");
    assert_eq!(done.results[0].changes.len(), 2);
    let row = bench.row("web-1").await.unwrap();
    assert_eq!((row.region.as_deref(), row.tags, row.profile), (Some("eu-1"), Tags::new(), Profile::Observe));
}

#[tokio::test]
async fn a_host_without_an_agent_is_made_changed_and_removed() {
    let bench = Bench::start().await;
    let spec = |address: &str| json!({ "kind": "agentless", "address": address });
    let done = bench.apply("printer", spec("2001:DB8::1")).await.unwrap();
    assert_eq!(done.plan.effects[0].sentence, "printer is a host of the fleet, watched from outside at 2001:db8::1");
    let row = bench.row("printer").await.unwrap();
    assert_eq!((row.kind, row.verdict), (HostKind::Agentless, VerdictWord::Agentless));
    bench.apply("printer", spec("Printer.Example.ORG.")).await.unwrap();
    assert_eq!(bench.row("printer").await.unwrap().address.as_deref(), Some("printer.example.org"));
    let again = bench.apply("printer", spec("printer.example.org")).await.unwrap();
    assert_eq!(again.results[0].action, Action::Unchanged);
    bench.delete(Role::Admin, "printer").await.unwrap();
    assert!(bench.row("printer").await.is_none());
}

#[tokio::test]
async fn what_an_agent_decides_cannot_be_written() {
    let bench = Bench::start().await;
    let error = bench.refused("web-9", json!({})).await;
    assert!(error.message().contains("has joined") && error.hinted().unwrap().contains("join-token"), "{error:?}");
    let error = bench.refused("web-1", json!({ "kind": "agentless", "address": "203.0.113.9" })).await;
    assert_eq!(error.path(), Some("resources[0].spec.kind"));
    let error = bench.refused("web-1", json!({ "address": "203.0.113.9" })).await;
    assert_eq!(error.path(), Some("resources[0].spec.address"));
    let Err(ApplyError::Other(error)) = bench.delete(Role::Admin, "web-1").await else { panic!("it has an agent") };
    assert_eq!(error.hinted(), Some("`palisade host retire web-1`"));
}

#[tokio::test]
async fn a_retired_host_is_no_resource_and_its_name_stays_taken() {
    let bench = Bench::start().await;
    for standing in [Standing::Retired, Standing::Revoked] {
        let row = bench.row("web-1").await.unwrap();
        bench.put(&HostRow { standing, ..row }).await;
        assert!(bench.shown("web-1").await.is_none());
        let error = bench.refused("web-1", json!({ "kind": "agentless", "address": "203.0.113.9" })).await;
        assert_eq!(error.status(), 409);
        assert!(error.message().contains(standing.as_str()), "{error:?}");
    }
}

#[tokio::test]
async fn operators_change_hosts_and_admins_make_and_remove_them() {
    let bench = Bench::start().await;
    let agentless = json!({ "kind": "agentless", "address": "203.0.113.9" });
    assert_eq!(status(bench.apply_as(Role::Operator, "web-1", json!({ "region": "eu" })).await), 200);
    assert_eq!(status(bench.apply_as(Role::Viewer, "web-1", json!({ "region": "us" })).await), 403);
    assert_eq!(status(bench.apply_as(Role::Operator, "printer", agentless.clone()).await), 403);
    assert_eq!(status(bench.apply_as(Role::Admin, "printer", agentless).await), 200);
    assert_eq!(status(bench.delete(Role::Operator, "printer").await), 403);
}

#[tokio::test]
async fn a_change_another_way_is_a_version_and_a_conflict() {
    let bench = Bench::start().await;
    assert_eq!(bench.shown("web-1").await.unwrap().version, 1);
    let row = bench.row("web-1").await.unwrap();
    bench.put(&HostRow { region: Some("eu".to_owned()), ..row }).await;
    let document = Document {
        kind: "Host".to_owned(),
        name: "web-1".to_owned(),
        version: Some(1),
        replaces: None,
        spec: json!({ "region": "us" }),
    };
    let caller = Caller { name: "anna".to_owned(), role: Role::Operator, address: None };
    let params = ApplyParams::of(vec![document]);
    let Err(ApplyError::Conflict(body)) = resource::apply(&bench.context, &bench.kinds, &caller, params).await else {
        panic!("it was changed since");
    };
    assert_eq!(body.conflict[0].theirs.as_ref().unwrap()["region"], "eu");
    assert_eq!(body.conflict[0].base.as_ref().unwrap().get("region"), None);
}

#[test]
fn only_addresses_that_another_host_can_have_are_taken() {
    for (text, expected) in [
        ("203.0.113.9", Some("203.0.113.9")),
        ("10.0.0.1", Some("10.0.0.1")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("a.example.org", Some("a.example.org")),
        ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("169.254.169.254", None),
        ("fe80::1", None),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.1", None),
        ("ff02::1", None),
        ("255.255.255.255", None),
        ("localhost", None),
        ("db.localhost.", None),
        ("127.1", None),
        ("2130706433", None),
        ("0x7f000001", None),
        ("a.0x7f", None),
        ("", None),
        ("a b", None),
        ("http://a.example.org", None),
        ("a.example.org:22", Some("a.example.org")),
        ("watch@A.example.org:2222", Some("watch@a.example.org:2222")),
        ("watch@127.0.0.1:2222", None),
        ("-o@a.example.org", None),
        ("-a.example.org", None),
        ("a..example.org", None),
    ] {
        assert_eq!(address_checked(text).ok().as_deref(), expected, "{text}");
    }
    assert!(address_checked(&format!("{}example.org", "a.".repeat(130))).is_err());
}

#[tokio::test]
async fn a_change_another_way_can_be_noted_with_its_author() {
    let bench = Bench::start().await;
    bench.shown("web-1").await.unwrap();
    let row = bench.row("web-1").await.unwrap();
    let mut tx = bench.context.begin().await.unwrap();
    store::host_put(&mut tx, &HostRow { region: Some("eu".to_owned()), ..row }).await.unwrap();
    resource::noted(&mut tx, &HostResource, "web-1", "ben", bench.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    let shown = bench.shown("web-1").await.unwrap();
    assert_eq!((shown.version, shown.updated_by.as_str(), shown.source), (2, "ben", store::Source::Elsewhere));
}

#[test]
fn a_region_without_words_or_with_control_characters_is_refused() {
    for (text, ok) in [("eu-1", true), ("", false), ("a\u{1b}[31m", false)] {
        let done = HostResource.normalise("web-1", &json!({ "region": text }));
        assert_eq!(done.is_ok(), ok, "{text:?}");
        assert!(done.is_ok() || done.is_err_and(|e| e.path() == Some("spec.region")), "{text:?}");
    }
    assert!(HostResource.normalise("web-1", &json!({ "region": "x".repeat(200) })).is_err());
}
