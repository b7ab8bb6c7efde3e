//! The endpoints of the server: bans, allow-list, exposure, ruleset; and the kinds of resources.

mod allow;
mod bans;
mod effective;
pub(crate) mod exposure;
mod feed;
pub mod given;
mod groups;
mod isolate;
pub mod kind;
mod look;
mod simulate;
mod starter;
mod stream;

use crate::draft::{Reach, Scene};
use crate::events::{self, Asked};
use crate::group::fleet::Fleets;
use crate::spec::Allow;
use crate::store::{self, BanRow};
use axum::Extension;
use axum::extract::DefaultBodyLimit;
use palisade_core::{Cidr, HostId, Plan, Timestamp};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// The topic of pages that show bans or the allow-list.
const TOPIC: &str = "firewall/bans";
/// Names that a hint offers for a host that does not exist, and how like they must be.
const NEAREST_MAX: usize = 3;
const LIKENESS_MIN: f64 = 0.7;

/// All endpoints, with their full paths; `fleets` is the fleet as it was read last.
pub fn router(fleets: Arc<Fleets>) -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
        .routes(routes!(bans::ban_list, bans::ban_add))
        .routes(routes!(bans::ban_remove))
        .routes(routes!(feed::ban_import).layer(DefaultBodyLimit::disable()))
        .routes(routes!(feed::feed_show))
        .routes(routes!(allow::allow_list, allow::allow_add))
        .routes(routes!(allow::allow_remove))
        .routes(routes!(simulate::simulate))
        .routes(routes!(exposure::exposure_list))
        .routes(routes!(exposure::matrix_show))
        .routes(routes!(starter::starter_show))
        .routes(routes!(exposure::ruleset_list))
        .routes(routes!(stream::hits_list))
        .routes(routes!(stream::denied_list))
        .routes(routes!(stream::connections_list))
        .routes(routes!(groups::group_list))
        .routes(routes!(groups::group_show))
        .routes(routes!(effective::effective))
        .routes(routes!(isolate::isolated_list))
        .routes(routes!(isolate::isolate))
        .routes(routes!(isolate::release))
        .layer(Extension(fleets))
}

/// What is known when a change is drafted.
struct Known {
    now: Timestamp,
    failsafe: Vec<Cidr>,
    bans: Vec<BanRow>,
    allow: Vec<Allow>,
    hosts: Vec<HostId>,
}

impl Known {
    /// Nobody may cut the address that they call from, so it counts as failsafe. A change of the ban
    /// of one network reads the bans around it only: there may be 100,000 others.
    async fn read(
        ctx: &ServerContext,
        caller: &Caller,
        around: Option<Cidr>,
        db: &mut SqliteConnection,
    ) -> Result<Known, GuardError> {
        let now = ctx.now();
        let bans = match around {
            Some(cidr) => store::ban_list_around(db, cidr, now).await?,
            None => store::ban_list(db, None, now).await?,
        };
        let own = caller.address.map(Cidr::from);
        Ok(Known {
            now,
            failsafe: ctx.failsafe.iter().copied().chain(own).collect(),
            bans,
            allow: store::allow_list(db, now).await?,
            hosts: frame::hosts_in_service(db).await?,
        })
    }

    fn fleet(&self) -> Reach {
        Reach::Fleet(self.hosts.clone())
    }

    /// Named hosts, each once; an unknown one is refused with the nearest names.
    fn reach(&self, asked: Option<&[HostId]>) -> Result<Reach, ApiError> {
        let Some(asked) = asked else { return Ok(self.fleet()) };
        if asked.is_empty() {
            return Err(ApiError::invalid("`hosts` is empty").hint("leave it out for all hosts"));
        }
        if let Some(unknown) = asked.iter().find(|h| !self.hosts.contains(h)) {
            let error = ApiError::invalid(format!("`hosts`: `{unknown}` is no host of this server"));
            return Err(with_nearest(error, unknown.as_str(), &self.hosts));
        }
        let mut named = asked.to_vec();
        named.sort();
        named.dedup();
        Ok(Reach::Hosts(named))
    }

    /// Where the bans of exactly `cidr` stand.
    fn reach_of(&self, cidr: Cidr) -> Reach {
        let mut named = Vec::new();
        for row in self.bans.iter().filter(|row| row.ban.cidr == cidr) {
            match &row.host {
                None => return self.fleet(),
                Some(host) => named.push(host.clone()),
            }
        }
        named.sort();
        named.dedup();
        Reach::Hosts(named)
    }

    async fn scene<'a>(
        &'a self,
        caller: &'a Caller,
        reach: Reach,
        db: &mut SqliteConnection,
    ) -> Result<Scene<'a>, GuardError> {
        let hosts = match &reach {
            Reach::ThisHost => &[],
            Reach::Fleet(hosts) | Reach::Hosts(hosts) => hosts.as_slice(),
        };
        Ok(Scene {
            now: self.now,
            by: &caller.name,
            caller: caller.address,
            failsafe: &self.failsafe,
            observed_at: frame::freshness_oldest(db, crate::WORD, hosts).await?,
            reach,
            bans: &self.bans,
            allow: &self.allow,
        })
    }
}

/// Adds the names that look like `wanted`.
fn with_nearest(error: ApiError, wanted: &str, hosts: &[HostId]) -> ApiError {
    let mut like: Vec<(f64, &str)> =
        hosts.iter().map(|h| (strsim::jaro_winkler(h.as_str(), wanted), h.as_str())).collect();
    like.retain(|(likeness, _)| *likeness >= LIKENESS_MIN);
    like.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<String> = like.iter().take(NEAREST_MAX).map(|(_, name)| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => error.hint("`palisade host list` shows the hosts"),
        names => error.hint(format!("did you mean {}?", names.join(" or "))),
    }
}

/// Records a refusal of a change, so that the audit log shows what was tried.
async fn audited(
    ctx: &ServerContext,
    caller: &Caller,
    asked: &Asked,
    done: Result<Plan, ApiError>,
) -> Result<axum::Json<Plan>, ApiError> {
    let error = match done {
        Ok(plan) => return Ok(axum::Json(plan)),
        Err(error) => error,
    };
    if error.status().is_client_error() && !asked.dry_run {
        let event = events::refused(asked, caller, &error, ctx.now());
        let mut tx = ctx.begin().await?;
        ctx.record(&mut tx, &event).await?;
        tx.commit().await?;
        ctx.publish(&["journal"]);
    }
    Err(error)
}
