//! From what is stored to the spec of one host.

use crate::api::kind::AddressAllow;
use crate::exposure;
use crate::feed;
use crate::group::{self, fleet::Fleets};
use crate::spec::{Allow, Ban, Spec};
use crate::store::{self, BanRow};
use crate::stream;
use palisade_core::{Cidr, Generation, HostId, Plan, Timestamp};
use palisade_guard::contract::{BoxFuture, Record};
use palisade_guard::link::FeedPart;
use palisade_guard::{GuardError, Kind, Serve, ServerContext};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// When `ban` ends by itself: its end, or its probation if that is sooner; `None` is never.
pub fn until(ban: &Ban) -> Option<Timestamp> {
    ban.ends_at.into_iter().chain(ban.probation_until).min()
}

/// True if the end `a` is as late as `b` or later; `None` is never.
pub fn no_sooner(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    a.is_none() || b.is_some_and(|b| a.is_some_and(|a| a >= b))
}

/// The spec of `host`: its own bans and the fleet's, one per network (the one that lasts longest),
/// and the allow-list; what has ended is left out.
pub fn spec(host: &HostId, bans: &[BanRow], allow: &[Allow], now: Timestamp) -> Spec {
    let concerned = bans.iter().filter(|row| row.host.as_ref().is_none_or(|h| h == host)).map(|row| &row.ban);
    let allow = allow.iter().filter(|a| a.ends_at.is_none_or(|end| end > now)).cloned().collect();
    Spec { bans: longest(concerned, now), allow, ..Spec::default() }
}

/// One ban per network, in order.
pub fn longest<'a>(bans: impl IntoIterator<Item = &'a Ban>, now: Timestamp) -> Vec<Ban> {
    let mut by_cidr: BTreeMap<Cidr, &Ban> = BTreeMap::new();
    for ban in bans.into_iter().filter(|b| until(b).is_none_or(|end| end > now)) {
        let longest = by_cidr.entry(ban.cidr).or_insert(ban);
        if !no_sooner(until(longest), until(ban)) {
            *longest = ban;
        }
    }
    by_cidr.into_values().cloned().collect()
}

/// The server's half of the guard.
#[derive(Clone, Default)]
pub struct Server {
    fleets: Arc<Fleets>,
}

impl Serve for Server {
    fn migrations(&self) -> &'static [&'static str] {
        store::MIGRATIONS
    }

    fn api(&self) -> OpenApiRouter<ServerContext> {
        crate::api::router(Arc::clone(&self.fleets))
    }

    fn kinds(&self) -> Vec<Arc<dyn Kind>> {
        let mut kinds: Vec<Arc<dyn Kind>> = vec![Arc::new(AddressAllow)];
        kinds.extend(group::kind::kinds());
        kinds
    }

    /// A host that has come to too many rules gets those that deny, and of the others as many as fit:
    /// its bans go on, and nothing opens.
    fn resolve<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Value>, GuardError>> {
        Box::pin(async move {
            let bans = store::ban_list(db, Some(host), now).await?;
            let allow = store::allow_list(db, now).await?;
            let ready = self.fleets.ready(db, now, true).await?;
            if let Some(many) = ready.confirmed.too_many(host) {
                tracing::warn!(host.id = %host, "{many}: what allows something is left out");
            }
            let (filter, candidate) = ready.filter(host, now);
            let notes = exposure::notes(ready.confirmed.fleet(), host);
            let spec = Spec { filter, candidate, notes, ..spec(host, &bans, &allow, now) };
            let decode = |source| GuardError::Decode { what: "spec", guard: crate::WORD, source };
            serde_json::to_value(spec).map(Some).map_err(decode)
        })
    }

    /// Hosts without a ban of their own share a spec if groups and policy treat them alike.
    fn scope<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, GuardError>> {
        Box::pin(async move {
            if store::ban_of_host(db, host).await? {
                return Ok(None);
            }
            let ready = self.fleets.ready(db, now, true).await?;
            Ok(Some(ready.key(host, now)))
        })
    }

    fn section_changed<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        section: &'a str,
        _old: Option<&'a Value>,
        new: &'a Value,
        _at: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<HostId>, GuardError>> {
        Box::pin(async move {
            if section == "listeners" { group::change::listeners_changed(db, host, new).await } else { Ok(Vec::new()) }
        })
    }

    fn host_changed<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<HostId>, GuardError>> {
        Box::pin(async move {
            let ready = self.fleets.ready(&mut *db, now, false).await?;
            group::change::host_changed(db, &ready, host).await
        })
    }

    fn feed<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        since: Generation,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FeedPart>, GuardError>> {
        Box::pin(feed::store::parts(db, since, limit))
    }

    fn feed_at<'a>(&'a self, db: &'a mut SqliteConnection) -> BoxFuture<'a, Result<Option<Generation>, GuardError>> {
        Box::pin(async move { feed::store::position(db).await.map(Some) })
    }

    fn feed_held<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        to: Generation,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(feed::store::held_put(db, host, to, now))
    }

    fn keep<'a>(&'a self, db: &'a mut SqliteConnection, plan: &'a Plan) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            store::ban_keep(db, &plan.id).await?;
            group::change::keep(db, &plan.id).await
        })
    }

    /// A plan on probation may be rolled back after its bans were removed by hand; a plan for good
    /// that has added nothing (a removal) cannot be undone, and says so.
    fn rollback<'a>(&'a self, db: &'a mut SqliteConnection, plan: &'a Plan) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            let removed = store::plan_delete(db, &plan.id).await? + group::change::isolation_undo(db, &plan.id).await?;
            if removed == 0 && plan.deadline.is_none() {
                return Err(GuardError::Refused(format!("nothing that plan `{}` added is left to undo", plan.id)));
            }
            Ok(())
        })
    }

    fn tend<'a>(&'a self, db: &'a mut SqliteConnection, now: Timestamp) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            store::ended_delete(db, now).await?;
            group::change::ended(db, now).await?;
            feed::desk::tend(&mut *db, now).await?;
            stream::store::tend(db, now).await
        })
    }

    fn ingest<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(stream::ingest::ingest(db, host, records))
    }

    fn tasks(&self, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
        vec![Box::pin(stream::ingest::run(context.clone()))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number of seconds")
    }

    fn row(cidr: &str, host: Option<&str>, ends: Option<i64>, probation: Option<i64>) -> BanRow {
        let ban = Ban {
            cidr: cidr.parse().expect("a network"),
            reason: String::new(),
            by: "ada".to_owned(),
            since: at(0),
            ends_at: ends.map(at),
            probation_until: probation.map(at),
            plan: None,
        };
        BanRow { host: host.map(|h| h.parse().expect("a host name")), ban }
    }

    fn said(rows: &[BanRow], now: i64) -> Vec<String> {
        let host = "web-1".parse().expect("a host name");
        let end = |b: &Ban| until(b).map_or("never".to_owned(), |t| t.as_second().to_string());
        spec(&host, rows, &[], at(now)).bans.iter().map(|b| format!("{} {}", b.cidr, end(b))).collect()
    }

    #[test]
    fn a_host_has_its_own_bans_and_those_of_the_fleet() {
        let rows = [
            row("203.0.113.1", None, None, None),
            row("203.0.113.2", Some("web-1"), None, None),
            row("203.0.113.3", Some("db-1"), None, None),
        ];
        assert_eq!(said(&rows, 10), ["203.0.113.1 never", "203.0.113.2 never"]);
    }

    #[test]
    fn of_two_bans_of_one_network_the_longer_one_stands() {
        let rows = [row("203.0.113.1", None, Some(50), None), row("203.0.113.1", Some("web-1"), Some(90), None)];
        assert_eq!(said(&rows, 10), ["203.0.113.1 90"]);
        let rows = [row("203.0.113.1", None, None, None), row("203.0.113.1", None, None, Some(60))];
        assert_eq!(said(&rows, 10), ["203.0.113.1 never"]);
    }

    #[test]
    fn what_has_ended_is_left_out() {
        let rows = [row("203.0.113.1", None, Some(50), None), row("203.0.113.0/24", None, None, Some(60))];
        assert_eq!(said(&rows, 50), ["203.0.113.0/24 60"]);
        assert_eq!(said(&rows, 60), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_ban_of_a_spec_is_in_force_and_no_network_is_there_twice(
            rows in proptest::collection::vec((0u8..4, proptest::option::of(0i64..100), proptest::option::of(0i64..100)), 0..20),
            now in 0i64..100,
        ) {
            let rows: Vec<BanRow> = rows.into_iter().map(|(n, e, p)| row(&format!("203.0.113.{n}"), None, e, p)).collect();
            let host = "web-1".parse().expect("a host name");
            let bans = spec(&host, &rows, &[], at(now)).bans;
            prop_assert!(bans.iter().all(|b| until(b).is_none_or(|end| end > at(now))));
            prop_assert!(bans.windows(2).all(|w| w[0].cidr < w[1].cidr));
            for row in &rows {
                let same = bans.iter().find(|b| b.cidr == row.ban.cidr);
                prop_assert!(until(&row.ban).is_some_and(|end| end <= at(now)) || same.is_some_and(|b| no_sooner(until(b), until(&row.ban))));
            }
        }
    }
}
