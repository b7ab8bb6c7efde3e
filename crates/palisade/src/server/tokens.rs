//! API tokens: shown once, always with an end.

use super::{Server, access, access_store as store};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use palisade_core::{Event, Outcome, Severity, Span, Timestamp};
use palisade_guard::api::{Admin, ApiError, Body, Caller, ErrorBody, Page, PageParams, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A token lives this long unless said otherwise.
const DEFAULT_S: u64 = 90 * 86_400;
/// No token lives longer.
const LONGEST_S: u64 = 400 * 86_400;

/// A token, without its secret.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub name: String,
    pub role: Role,
    pub created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Timestamp>,
    /// From where it was last used.
    pub used_from: Option<String>,
}

/// What a new token shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenParams {
    /// 1 to 64 of letters, digits, `.`, `_`, `-`.
    name: String,
    role: Role,
    /// How long it lives; 90 days if absent, at most 400.
    #[serde(rename = "for")]
    lives: Option<Span>,
}

/// A new token with its secret, which is shown this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    pub token: String,
    #[serde(flatten)]
    pub view: TokenView,
}

impl From<store::TokenRow> for TokenView {
    fn from(row: store::TokenRow) -> TokenView {
        TokenView {
            name: row.name,
            role: row.role,
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            used_at: row.used_at,
            used_from: row.used_from,
        }
    }
}

/// All tokens.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "frame", responses((status = 200, body = Page<TokenView>)))]
pub async fn list(State(server): State<Server>, Admin(_caller): Admin) -> Result<Json<Page<TokenView>>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let all = store::tokens(&mut db).await?.into_iter().map(TokenView::from).collect();
    Ok(Json(Page::of(all, &PageParams { limit: Some(1000), ..PageParams::default() })?))
}

/// Makes a token.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "frame", request_body = TokenParams,
    responses((status = 201, body = TokenCreated), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(server): State<Server>,
    Admin(caller): Admin,
    Body(params): Body<TokenParams>,
) -> Result<(StatusCode, Json<TokenCreated>), ApiError> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if params.name.is_empty() || params.name.len() > 64 || !params.name.chars().all(ok) {
        return Err(ApiError::invalid("`name` must be 1 to 64 of letters, digits, `.`, `_`, `-`"));
    }
    let seconds = params.lives.map_or(DEFAULT_S, Span::as_secs);
    if seconds > LONGEST_S {
        return Err(ApiError::invalid("`for` is longer than 400d")
            .hint("a token that never ends is never noticed when it is stolen"));
    }
    let now = server.context.now();
    let row = store::TokenRow {
        name: params.name,
        role: params.role,
        created_by: caller.name.clone(),
        created_at: now,
        expires_at: now + jiff::SignedDuration::from_secs(seconds as i64),
        used_at: None,
        used_from: None,
    };
    let secret = access::new_secret("pal_");
    let mut tx = server.begin().await?;
    if !store::token_insert(&mut tx, &access::secret_hash(&secret), &row).await? {
        return Err(ApiError::conflict(format!("a token `{}` exists already", row.name))
            .hint("delete it first, or choose another name"));
    }
    let message = format!("made the token {} with role {}", row.name, row.role.as_str());
    server.context.record(&mut tx, &event(now, "frame.api-token.create", &caller, &row.name, message)).await?;
    tx.commit().await?;
    server.context.publish(&["tokens", "journal"]);
    Ok((StatusCode::CREATED, Json(TokenCreated { token: secret, view: row.into() })))
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/v1/tokens/{name}", tag = "frame", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(server): State<Server>,
    Admin(caller): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = server.begin().await?;
    if !store::token_delete(&mut tx, &name).await? {
        return Err(ApiError::not_found(format!("a token `{name}`")));
    }
    let message = format!("ended the token {name}");
    server
        .context
        .record(&mut tx, &event(server.context.now(), "frame.api-token.delete", &caller, &name, message))
        .await?;
    tx.commit().await?;
    server.access.less();
    server.context.publish(&["tokens", "journal"]);
    Ok(StatusCode::NO_CONTENT)
}

/// An audited change of the frame.
pub fn event(now: Timestamp, kind: &str, caller: &Caller, object: &str, message: String) -> Event {
    Event {
        time: now,
        kind: kind.to_owned(),
        host: None,
        severity: Severity::Informational,
        outcome: Outcome::Success,
        actor: caller.actor(),
        message,
        object: Some(object.to_owned()),
        audit: true,
        data: serde_json::Value::Null,
    }
}
