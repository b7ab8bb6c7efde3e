//! Notifications: who is told what, when, by which channel, and whether it arrived.
//!
//! **In order.** A guard hands a notice to the [`Desk`] in its own transaction ([`store`]). The task
//! [`dispatch`] sees it after the commit and asks [`group`], which is pure, what is due: [`roster`]
//! routes by policy, hides what is silenced, and knows the hours. What is due becomes a
//! [`message::Message`] in the [`outbox`], in the transaction that notes who was told of what. The
//! task [`deliver`] sends it by its [`channel`] until it is taken.
//!
//! **What holds.** Whatever was committed is told, and one change of state is told to a channel once;
//! a message may arrive twice only when the server ends between sending and noting it, and then with
//! the same `Idempotency-Key`. That something is over is told to those who were told that it fires.

pub mod api;
pub mod channel;
pub mod cli;
pub mod deliver;
pub mod dispatch;
pub mod group;
pub mod heartbeat;
pub mod http;
pub mod kind;
pub mod matching;
pub mod message;
pub mod roster;
pub mod spec;
pub mod standing;
pub mod store;
pub mod template;
pub mod window;

pub use store::{outbox, secret};

use crate::Monitor;
use palisade_core::Timestamp;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{GuardError, Kind, Notice, Notify, ServerContext};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

/// Channels, or how they do, have changed.
pub const TOPIC_CHANNELS: &str = "monitor/channels";
/// Deliveries have changed.
pub const TOPIC_DELIVERIES: &str = "monitor/deliveries";
/// Silences have changed.
pub const TOPIC_SILENCES: &str = "monitor/silences";

/// Takes notices from every guard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk;

impl Notify for Desk {
    fn notify<'a>(&'a self, db: &'a mut SqliteConnection, notice: &'a Notice) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(store::notice_put(db, notice))
    }

    fn acknowledge<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        key: &'a str,
        by: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(store::acknowledge(db, key, by))
    }
}

/// What became of one notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoticeFate {
    /// What channels were told last.
    pub notified: Vec<Notified>,
    /// The silence that hides it now, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Silenced>,
    /// The key of the notice that says that its host is down, which hides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inhibited_by: Option<String>,
}

/// A channel was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notified {
    /// Which one.
    pub channel: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// True once the receiver has taken it.
    pub ok: bool,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A silence that hides something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Silenced {
    /// Its name.
    pub name: String,
    /// Until when at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// What became of these notices, in their order; for pages that show what the notices are about.
pub async fn fates(db: &mut SqliteConnection, keys: &[String], now: Timestamp) -> Result<Vec<NoticeFate>, GuardError> {
    let mut roster = dispatch::roster(db).await?;
    roster.hosts = dispatch::hosts(db).await?;
    let standing = store::firing(db).await?;
    let down = standing::hosts_down(&standing, now);
    let mut fates = Vec::with_capacity(keys.len());
    for key in keys {
        let known = standing.get(key);
        let silence = known.and_then(|one| roster.silence(one, now));
        let notified = store::notified(db, key).await?.into_iter();
        fates.push(NoticeFate {
            notified: notified
                .map(|(channel, at, state, error)| Notified { channel, at, ok: state == "sent", error })
                .collect(),
            silenced: silence.map(|silence| Silenced { name: silence.name.clone(), until: silence.spec.until }),
            inhibited_by: known.and_then(|one| standing::inhibitor(one, &down)).map(str::to_owned),
        });
    }
    Ok(fates)
}

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    api::router()
}

/// The kinds of resources.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(kind::Kinds::Channel), Arc::new(kind::Kinds::Policy), Arc::new(kind::Kinds::Silence)]
}

/// What runs beside the requests.
pub fn tasks(monitor: &Monitor, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    let woken = Arc::new(tokio::sync::Notify::new());
    vec![
        Box::pin(dispatch::run(context.clone(), Arc::clone(&woken), monitor.pulse.clone())),
        Box::pin(deliver::run(context.clone(), woken)),
        Box::pin(heartbeat::run(context.clone(), monitor.pulse.clone())),
    ]
}

/// Periodic work.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    store::tend(db, now).await
}
