//! Join tokens: what a host needs to become one of the fleet. Shown once, always with an end.

use super::cloud_init::{self, UserData};
use super::join_store::{self as store, JoinTokenRow};
use super::{Server, access, tokens};
use crate::link::join::{JoinToken, ServerUrl};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use palisade_core::{Profile, Span, Tags, Timestamp};
use palisade_guard::api::{Admin, ApiError, Body, Can, ErrorBody, Operator, Page, PageParams, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use utoipa::ToSchema;

/// A token lives this long unless said otherwise.
const DEFAULT_S: u64 = 24 * 3_600;
/// No token lives longer.
const LONGEST_S: u64 = 30 * 86_400;
/// Hosts that may join with one token at most.
const USES_MAX: u32 = 10_000;
/// Tokens that are stored at the same time.
const TOKENS_MAX: usize = 1_000;
const REGION_CHARS_MAX: usize = 64;
/// Hosts that are listed with a token, newest first.
const JOINED_MAX: usize = 100;

/// A join token, without its secret.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct JoinTokenView {
    pub id: String,
    pub profile: Profile,
    pub region: Option<String>,
    pub tags: Tags,
    /// How many more hosts may join with it.
    pub uses_left: u32,
    pub created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// SHA-256 of this server's root certificate, which the token carries.
    pub root_fingerprint: String,
    /// The hosts that joined with it, newest first, at most 100.
    pub joined: Vec<String>,
    pub can: BTreeMap<String, Can>,
}

/// What a new token shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenParams {
    /// What a host joins with; `observe` if absent.
    profile: Option<Profile>,
    /// Where such a host stands: at most 64 characters.
    region: Option<String>,
    /// The tags of such a host.
    tags: Option<Tags>,
    /// How many hosts may join; 1 if absent, at most 10,000.
    uses: Option<u32>,
    /// How long it lives; 24 hours if absent, at most 30 days.
    #[serde(rename = "for")]
    lives: Option<Span>,
    /// By which address hosts reach this server; absent: the first of its names or addresses.
    #[schema(value_type = Option<String>, example = "https://palisade.example.org:8443")]
    url: Option<ServerUrl>,
}

/// A new token with its secret, which is shown this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct JoinTokenCreated {
    /// To be fed to `command` on standard input.
    pub token: String,
    /// What is run on the host; it reads the token from standard input.
    pub command: String,
    /// A script that installs the agent and joins, as user data for cloud-init. It holds the token.
    pub script: String,
    /// What will hardly work, if something is so.
    pub warning: Option<String>,
    #[serde(flatten)]
    pub view: JoinTokenView,
}

/// All join tokens, newest first; those that have ended are listed for 30 days.
#[utoipa::path(get, path = "/api/v1/join-tokens", tag = "frame", params(PageParams), responses((status = 200, body = Page<JoinTokenView>)))]
pub async fn list(
    State(server): State<Server>,
    Operator(caller): Operator,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<JoinTokenView>>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let (rows, mut joins) = (store::join_tokens(&mut db).await?, store::joins(&mut db).await?);
    let views = rows.into_iter().map(|row| {
        let mut joined = joins.remove(&row.id).unwrap_or_default();
        joined.truncate(JOINED_MAX);
        view(&server, row, joined, caller.can(Role::Admin))
    });
    let views = views.filter(|v| page.matches(&[&v.id, v.region.as_deref().unwrap_or_default(), &v.created_by]));
    Ok(Json(Page::of(views.collect(), &page)?.because("no join token was made yet, or all have ended long ago")))
}

/// Makes a join token.
#[utoipa::path(post, path = "/api/v1/join-tokens", tag = "frame", request_body = JoinTokenParams,
    responses((status = 201, body = JoinTokenCreated), (status = 400, body = ErrorBody)))]
pub async fn create(
    State(server): State<Server>,
    Admin(caller): Admin,
    Body(params): Body<JoinTokenParams>,
) -> Result<(StatusCode, Json<JoinTokenCreated>), ApiError> {
    let url = params.url.clone().unwrap_or_else(|| own_url(&server));
    let row = checked(params, &caller.name, server.context.now())?;
    let root = server.authority.root_fingerprint();
    let token = JoinToken::new(&root).ok_or_else(|| internal("the root's fingerprint is no SHA-256"))?;
    let script = script(&server, &url, &token, row.expires_at).await?;
    let mut tx = server.begin().await?;
    if store::join_tokens(&mut tx).await?.len() >= TOKENS_MAX {
        return Err(ApiError::conflict(format!("there are {TOKENS_MAX} join tokens")).hint("delete some first"));
    }
    store::join_token_insert(&mut tx, &access::secret_hash(&token.secret()), &row).await?;
    let message = format!("made a join token for {} with profile {}", uses(row.uses_left), row.profile.as_str());
    let event = tokens::event(row.created_at, "frame.join-token.create", &caller, &row.id, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["join-tokens", "journal"]);
    let created = JoinTokenCreated {
        token: token.secret(),
        command: format!("palisade agent --join {url} --token-file -"),
        script,
        warning: warning(&url),
        view: view(&server, row, Vec::new(), caller.can(Role::Admin)),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Ends a join token. Hosts that joined with it stay.
#[utoipa::path(delete, path = "/api/v1/join-tokens/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(server): State<Server>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = server.begin().await?;
    if !store::join_token_delete(&mut tx, &id).await? {
        return Err(ApiError::not_found(format!("a join token `{id}`")));
    }
    let message = format!("ended the join token {id}");
    let event = tokens::event(server.context.now(), "frame.join-token.delete", &caller, &id, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["join-tokens", "journal"]);
    Ok(StatusCode::NO_CONTENT)
}

/// The token as it will be stored, if it is one that may be.
fn checked(params: JoinTokenParams, by: &str, now: Timestamp) -> Result<JoinTokenRow, ApiError> {
    let uses = params.uses.unwrap_or(1);
    if uses == 0 || uses > USES_MAX {
        return Err(ApiError::invalid(format!("`uses` must be 1 to {USES_MAX}")));
    }
    let seconds = params.lives.map_or(DEFAULT_S, Span::as_secs);
    if seconds > LONGEST_S {
        return Err(
            ApiError::invalid("`for` is longer than 30d").hint("whoever finds the token can join until it ends")
        );
    }
    if let Some(region) = &params.region {
        region_rule(region)?;
    }
    Ok(JoinTokenRow {
        id: new_id(),
        profile: params.profile.unwrap_or_default(),
        region: params.region,
        tags: params.tags.unwrap_or_default(),
        uses_left: uses,
        created_by: by.to_owned(),
        created_at: now,
        expires_at: now + jiff::SignedDuration::from_secs(seconds as i64),
    })
}

fn region_rule(region: &str) -> Result<(), ApiError> {
    let long = region.is_empty() || region.chars().count() > REGION_CHARS_MAX;
    if long || region.trim() != region || region.chars().any(char::is_control) {
        return Err(ApiError::invalid(
            "`region` must be 1 to 64 characters, without control characters or blanks around",
        ));
    }
    Ok(())
}

/// An id that is never given again, so that an old event means one token only.
fn new_id() -> String {
    let mut bytes = [0u8; 5];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes.iter().fold("jt-".to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

fn uses(n: u32) -> String {
    if n == 1 { "one host".to_owned() } else { format!("{n} hosts") }
}

fn view(server: &Server, row: JoinTokenRow, joined: Vec<String>, delete: Can) -> JoinTokenView {
    JoinTokenView {
        id: row.id,
        profile: row.profile,
        region: row.region,
        tags: row.tags,
        uses_left: row.uses_left,
        created_by: row.created_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
        root_fingerprint: server.authority.root_fingerprint(),
        joined,
        can: BTreeMap::from([("delete".to_owned(), delete)]),
    }
}

async fn script(
    server: &Server,
    url: &ServerUrl,
    token: &JoinToken,
    expires_at: Timestamp,
) -> Result<String, ApiError> {
    let program = server.program.facts().await.map_err(|error| internal(&format!("{error:#}")))?;
    let root_pem = server.authority.root_pem();
    Ok(cloud_init::script(&UserData { url, token, expires_at, root_pem: &root_pem, program }))
}

fn internal(why: &str) -> ApiError {
    tracing::error!(error = why, "making a join token");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the token could not be made; the server's log says why",
    )
}

/// The address that is used when none is given.
fn own_url(server: &Server) -> ServerUrl {
    let addresses = palisade_sys::facts::addresses().unwrap_or_default();
    let listen = server.address.get().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 443)));
    url_of(&server.names, listen, &addresses)
}

/// The first configured name, else the address that is listened on, else the machine's first address.
fn url_of(names: &[String], listen: SocketAddr, addresses: &[IpAddr]) -> ServerUrl {
    let port = listen.port();
    if let Some(url) = names.iter().find_map(|name| ServerUrl::new(name, port).ok()) {
        return url;
    }
    let any = listen.ip().is_unspecified();
    let address = addresses.first().copied().filter(|_| any).unwrap_or(listen.ip());
    ServerUrl { host: address.to_string(), port }
}

fn warning(url: &ServerUrl) -> Option<String> {
    let local =
        url.host == "localhost" || url.host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback() || a.is_unspecified());
    local.then(|| {
        format!(
            "no other host can reach {url}: start the server with --listen ADDRESS:PORT, or give the address with --url"
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_are_sent_to_the_name_else_to_the_address_that_they_can_reach() {
        let (any, one): (SocketAddr, SocketAddr) =
            ("0.0.0.0:8443".parse().unwrap(), "203.0.113.7:8443".parse().unwrap());
        let own = ["198.51.100.5".parse().unwrap()];
        let names = ["not a name".to_owned(), "palisade.example.org".to_owned()];
        assert_eq!(url_of(&names, any, &own).to_string(), "https://palisade.example.org:8443");
        assert_eq!(url_of(&[], any, &own).to_string(), "https://198.51.100.5:8443");
        assert_eq!(url_of(&[], one, &own).to_string(), "https://203.0.113.7:8443");
        let v6 = url_of(&[], "[2001:db8::1]:443".parse().unwrap(), &[]);
        assert_eq!(v6.to_string(), "https://[2001:db8::1]:443");
    }

    #[test]
    fn an_address_that_no_other_host_reaches_is_warned_of() {
        for (url, warned) in [
            ("https://127.0.0.1:1", true),
            ("https://[::1]:1", true),
            ("https://localhost:1", true),
            ("https://203.0.113.7:1", false),
        ] {
            assert_eq!(warning(&url.parse().unwrap()).is_some(), warned, "{url}");
        }
    }

    #[test]
    fn what_makes_no_sense_as_a_token_is_refused() {
        let made = |json: serde_json::Value| {
            let params: Result<JoinTokenParams, _> = serde_json::from_value(json);
            params.is_ok_and(|p| checked(p, "anna", Timestamp::UNIX_EPOCH).is_ok())
        };
        assert!(made(serde_json::json!({})));
        assert!(made(serde_json::json!({ "region": "Frankfurt (Süd)", "uses": 10_000, "for": "30d" })));
        for bad in [
            serde_json::json!({ "uses": 0 }),
            serde_json::json!({ "uses": 10_001 }),
            serde_json::json!({ "for": "31d" }),
            serde_json::json!({ "region": "" }),
            serde_json::json!({ "region": "a\nb" }),
            serde_json::json!({ "region": "x".repeat(65) }),
            serde_json::json!({ "tags": { "Role": "web" } }),
            serde_json::json!({ "url": "https://a;b" }),
            serde_json::json!({ "profile": "root" }),
            serde_json::json!({ "unknown": 1 }),
        ] {
            assert!(!made(bad.clone()), "{bad}");
        }
    }
}
