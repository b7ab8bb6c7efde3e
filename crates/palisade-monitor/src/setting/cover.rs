//! How hosts are covered by alarms: how many rules are for a host, by how many channels somebody is
//! told of it, and whether one of them works. The server tells each host, so that the host's own
//! practices say it.
//!
//! What is covered follows from rules, templates, groups, policies, channels, deliveries, and the
//! tags of hosts. So it is worked out as a whole every few seconds and compared with what hosts were
//! told: nothing that it depends on can be forgotten. A host that is told something new gets a new
//! generation; no plan waits for it, since a rule is in force on the server whoever has heard of it.

use super::store;
use crate::alarm::book::{Book, Rule};
use crate::notify::dispatch;
use crate::notify::kind::channels_of;
use crate::notify::outbox::{self, Health};
use crate::notify::roster::{Policy, Roster};
use palisade_core::{HostId, HostKind, Standing};
use palisade_guard::contract::chain;
use palisade_guard::store::{self as frame, HostRow};
use palisade_guard::{GuardError, ServerContext};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often it is worked out.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// How one host is covered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cover {
    /// Alarm rules that are switched on and whose scope holds it.
    pub rules: u32,
    /// Channels that a notification policy for it leads to.
    pub channels: u32,
    /// Whether one of them took the last message or test that went to it; absent when none was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_works: Option<bool>,
}

/// Works it out again and again, for as long as the server runs.
pub async fn run(context: ServerContext) {
    loop {
        if let Err(error) = round(&context).await {
            tracing::warn!(error = chain(&error), "telling hosts how alarms cover them; tried again");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Works out how every host is covered, and tells those that were told otherwise. Returns them.
pub async fn round(context: &ServerContext) -> Result<Vec<HostId>, GuardError> {
    let mut reader = context.db.read().acquire().await?;
    let book = Book::read(&mut reader).await?;
    let roster = dispatch::roster(&mut reader).await?;
    let health = outbox::health(&mut reader).await?;
    let mut told = store::covers(&mut reader).await?;
    let hosts: Vec<HostRow> = frame::hosts(&mut reader).await?.into_iter().filter(is_told).collect();
    drop(reader);
    let mut changed = Vec::new();
    for host in &hosts {
        let cover = cover(host, &book, &roster, &health);
        if told.remove(host.id.as_str()).as_ref() != Some(&cover) {
            changed.push((host.id.clone(), cover));
        }
    }
    if changed.is_empty() && told.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = context.begin().await?;
    for (host, cover) in &changed {
        store::cover_put(&mut tx, host, cover).await?;
    }
    for gone in told.keys() {
        store::cover_remove(&mut tx, gone).await?;
    }
    let changed: Vec<HostId> = changed.into_iter().map(|(host, _)| host).collect();
    if !changed.is_empty() {
        frame::generations_raise(&mut tx, &changed, crate::WORD).await?;
    }
    tx.commit().await?;
    context.wake_agents_of(&changed);
    Ok(changed)
}

fn is_told(host: &HostRow) -> bool {
    host.kind == HostKind::Agent && host.standing == Standing::Active
}

/// How one host is covered. Of a policy its scope counts; that it takes only some labels or severities
/// is left out: it leads to its channels.
pub fn cover(host: &HostRow, book: &Book, roster: &Roster, health: &BTreeMap<String, Health>) -> Cover {
    let is_for = |rule: &&Rule| rule.spec.enabled && rule.spec.scope.holds(host, &book.groups);
    let leads =
        |policy: &&Policy| policy.spec.matching.scope.as_ref().is_none_or(|scope| scope.holds(host, &roster.groups));
    let named = roster.policies.iter().filter(leads).flat_map(|policy| channels_of(&policy.spec));
    let channels: BTreeSet<&str> = named.filter(|name| roster.channels.contains_key(*name)).collect();
    let tried: Vec<bool> = channels.iter().filter_map(|name| health.get(*name)?.works()).collect();
    Cover {
        rules: book.rules.iter().filter(is_for).count() as u32,
        channels: channels.len() as u32,
        // one that was never tried may work
        channel_works: match tried.contains(&true) {
            true => Some(true),
            false => (!tried.is_empty() && tried.len() == channels.len()).then_some(false),
        },
    }
}
