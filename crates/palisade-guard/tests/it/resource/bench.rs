//! A server with two kinds: `Note` lives in the frame's table and comes after `Switch`, which has a
//! table of its own that a hand can change too.

use palisade_core::{Clock, Effect, EffectKind, Event, HostId, Severity, Timestamp};
use palisade_guard::api::{ApiError, Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::kind::{self, Action, Asked, Effects, Held, Refused, SpecChange};
use palisade_guard::resource::{self, Applied, ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::store::{self, ResourceRow, VersionRow};
use palisade_guard::{GuardError, Kind, ServerContext};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::{Arc, Mutex};
use utoipa::ToSchema;

/// 2026-11-22T12:00:00Z, until a test turns it on.
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn pass_s(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += jiff::SignedDuration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Keeps events in a table, so that what is undone is undone there too.
struct TestJournal;

impl RecordEvent for TestJournal {
    fn record<'a>(&'a self, db: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            let body = json!(event).to_string();
            sqlx::query("INSERT INTO test_event (body) VALUES ($1)").bind(body).execute(db).await?;
            Ok(())
        })
    }
}

const TABLES: &str = "CREATE TABLE test_switch (name TEXT PRIMARY KEY, is_on BIGINT NOT NULL);
  CREATE TABLE test_event (body TEXT NOT NULL);";

type Acts = Arc<Mutex<Vec<String>>>;

pub struct Bench {
    pub context: ServerContext,
    pub kinds: Kinds,
    pub clock: Arc<TestClock>,
    acts: Acts,
    _dir: tempfile::TempDir,
}

impl Bench {
    pub async fn start() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).await.unwrap();
        db.migrate("frame", store::MIGRATIONS).await.unwrap();
        db.migrate("test", &[TABLES]).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new("2026-11-22T12:00:00Z".parse().unwrap())));
        let acts = Acts::default();
        let context = ServerContext::new(db, clock.clone(), Arc::new(TestJournal), Vec::new());
        let kinds = Kinds::new(vec![Arc::new(Note(acts.clone())), Arc::new(Switch(acts.clone()))]);
        Bench { context, kinds, clock, acts, _dir: dir }
    }

    pub async fn try_as(&self, by: &str, role: Role, given: &[Document], dry_run: bool) -> Result<Applied, ApplyError> {
        let caller = Caller { name: by.to_owned(), role, address: None };
        let params = ApplyParams { dry_run, ..ApplyParams::of(given.to_vec()) };
        resource::apply(&self.context, &self.kinds, &caller, params).await
    }

    pub async fn apply(&self, by: &str, given: &[Document]) -> Result<Applied, ApplyError> {
        self.try_as(by, Role::Admin, given, false).await
    }

    pub async fn dry_run(&self, by: &str, given: &[Document]) -> Result<Applied, ApplyError> {
        self.try_as(by, Role::Admin, given, true).await
    }

    pub async fn refused_as(&self, by: &str, role: Role, given: &[Document]) -> ApiError {
        match self.try_as(by, role, given, false).await {
            Err(ApplyError::Other(error)) => error,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    pub async fn refused(&self, by: &str, given: &[Document]) -> ApiError {
        self.refused_as(by, Role::Admin, given).await
    }

    pub async fn delete(&self, by: &str, kind: &str, name: &str) -> Result<Applied, ApplyError> {
        self.delete_version(by, kind, name, None, false).await
    }

    pub async fn delete_version(
        &self,
        by: &str,
        kind: &str,
        name: &str,
        version: Option<u64>,
        dry_run: bool,
    ) -> Result<Applied, ApplyError> {
        let caller = Caller { name: by.to_owned(), role: Role::Admin, address: None };
        let deleting = resource::Deleting { version, dry_run, ..resource::Deleting::default() };
        resource::delete(&self.context, &caller, &self.kinds, (kind, name), deleting).await
    }

    pub async fn undo(&self, by: &str, plan: &str) -> Result<bool, ApiError> {
        let caller = Caller { name: by.to_owned(), role: Role::Admin, address: None };
        let mut tx = self.context.begin().await?;
        let done = resource::undo(&self.context, &self.kinds, &caller, &mut tx, plan).await?;
        tx.commit().await?;
        Ok(done)
    }

    pub async fn rows(&self, kind: &str) -> Vec<ResourceRow> {
        resource::list(&self.context, self.kinds.find(kind).unwrap(), None).await.unwrap()
    }

    pub async fn specs(&self, kind: &str) -> Vec<(String, Value)> {
        self.rows(kind).await.into_iter().map(|row| (row.name, row.spec)).collect()
    }

    pub async fn versions(&self, kind: &str, name: &str) -> Vec<VersionRow> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        store::resource_versions(&mut db, kind, name).await.unwrap()
    }

    pub async fn plans(&self) -> usize {
        let mut db = self.context.db.read().acquire().await.unwrap();
        let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM frame_plan").fetch_one(&mut *db).await.unwrap();
        n as usize
    }

    pub async fn tend(&self) {
        let mut tx = self.context.begin().await.unwrap();
        store::resource_tend(&mut tx, self.context.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Changes a switch behind the back of the resources.
    pub async fn turn_by_hand(&self, name: &str, on: Option<bool>) {
        let mut tx = self.context.begin().await.unwrap();
        turn(&mut tx, name, on).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What was recorded.
    pub async fn events(&self) -> Vec<Event> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT body FROM test_event ORDER BY rowid").fetch_all(&mut *db).await.unwrap();
        rows.into_iter().map(|(body,)| serde_json::from_str(&body).unwrap()).collect()
    }

    /// What the kinds were asked to put since the last call.
    pub fn acts(&self) -> Vec<String> {
        std::mem::take(&mut *self.acts.lock().unwrap())
    }
}

/// `action kind name version` of each resource.
pub fn said(done: &Applied) -> Vec<String> {
    let word = |action: Action| json!(action).as_str().unwrap().to_owned();
    done.results.iter().map(|r| format!("{} {} {} {}", word(r.action), r.kind, r.name, r.version)).collect()
}

/// All resources as documents, as `palisade get` gives them.
pub async fn file(bench: &Bench) -> Vec<Document> {
    let mut all = Vec::new();
    for kind in ["Note", "Switch"] {
        let document = |row: ResourceRow| Document {
            kind: kind.to_owned(),
            name: row.name,
            version: Some(row.version),
            replaces: None,
            spec: row.spec,
        };
        all.extend(bench.rows(kind).await.into_iter().map(document));
    }
    all
}

pub fn note(name: &str, text: &str) -> Document {
    document("Note", name, json!({ "text": text }))
}

pub fn switch(name: &str, on: bool) -> Document {
    document("Switch", name, json!({ "on": on }))
}

fn document(kind: &str, name: &str, spec: Value) -> Document {
    Document { kind: kind.to_owned(), name: name.to_owned(), version: None, replaces: None, spec }
}

struct Note(Acts);

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoteSpec {
    text: String,
}

impl Kind for Note {
    fn name(&self) -> &'static str {
        "Note"
    }
    fn plural(&self) -> &'static str {
        "notes"
    }
    fn guard(&self) -> &'static str {
        "notes"
    }
    fn description(&self) -> &'static str {
        "A note."
    }
    fn after(&self) -> &'static [&'static str] {
        &["Switch"]
    }
    fn role(&self, action: Action) -> Role {
        if action == Action::Create { Role::Admin } else { Role::Operator }
    }
    fn schema(&self) -> Value {
        kind::schema_of::<NoteSpec>()
    }
    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        let name = name.to_lowercase();
        kind::name_checked(&name)?;
        Ok((name, json!(kind::spec_of::<NoteSpec>(spec)?)))
    }
    fn apply<'a>(
        &'a self,
        _asked: &'a Asked<'a>,
        _db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        let forbidden = |c: &SpecChange| c.new.as_ref().is_some_and(|new| new["text"] == "forbidden");
        let done = match changes.iter().position(forbidden) {
            Some(n) => Err(Refused { index: Some(n), error: ApiError::conflict("not this text").at("spec.text") }),
            None => Ok(Effects { effects: effects(changes), ..Effects::default() }),
        };
        remember(&self.0, "Note", changes);
        Box::pin(async { done })
    }
}

struct Switch(Acts);

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SwitchSpec {
    on: bool,
}

impl Kind for Switch {
    fn name(&self) -> &'static str {
        "Switch"
    }
    fn plural(&self) -> &'static str {
        "switches"
    }
    fn guard(&self) -> &'static str {
        "house"
    }
    fn description(&self) -> &'static str {
        "A switch."
    }
    fn schema(&self) -> Value {
        kind::schema_of::<SwitchSpec>()
    }
    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        Ok((name.to_owned(), json!(kind::spec_of::<SwitchSpec>(spec)?)))
    }
    fn held<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        only: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<Held>>, GuardError>> {
        Box::pin(async move {
            let rows: Vec<(String, i64)> = sqlx::query_as("SELECT name, is_on FROM test_switch").fetch_all(db).await?;
            let rows = rows.into_iter().filter(|(name, _)| only.is_none_or(|only| only == name));
            let held =
                |(name, on)| Held { name, spec: json!({ "on": on == 1 }), by: Some("hand".to_owned()), at: None };
            Ok(Some(rows.map(held).collect()))
        })
    }
    fn apply<'a>(
        &'a self,
        _asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        remember(&self.0, "Switch", changes);
        Box::pin(async move {
            for change in changes {
                let on = change.new.as_ref().map(|new| new["on"] == true);
                turn(db, &change.name, on).await?;
            }
            let hosts: Vec<HostId> = ["web-1", "db-1"].map(|h| h.parse().unwrap()).to_vec();
            Ok(Effects { effects: effects(changes), hosts, ..Effects::default() })
        })
    }
}

async fn turn(db: &mut SqliteConnection, name: &str, on: Option<bool>) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM test_switch WHERE name = $1").bind(name).execute(&mut *db).await?;
    if let Some(on) = on {
        let insert = sqlx::query("INSERT INTO test_switch (name, is_on) VALUES ($1, $2)");
        insert.bind(name).bind(i64::from(on)).execute(db).await?;
    }
    Ok(())
}

fn effects(changes: &[SpecChange]) -> Vec<Effect> {
    let effect = |c: &SpecChange| Effect {
        kind: EffectKind::Changes,
        severity: Severity::Low,
        sentence: format!("{} becomes {:?}", c.name, c.new),
        hosts: Vec::new(),
    };
    changes.iter().map(effect).collect()
}

fn remember(acts: &Acts, kind: &str, changes: &[SpecChange]) {
    let act = |c: &SpecChange| format!("{} {kind} {}", if c.new.is_some() { "put" } else { "remove" }, c.name);
    acts.lock().unwrap().extend(changes.iter().map(act));
}
