//! What every endpoint shares: who calls, what an error looks like, and pages of a list.

use crate::GuardError;
use crate::contract::chain;
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::{IntoParams, ToSchema};

/// What a caller may do; each role may do all of the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes hosts.
    Operator,
    /// Changes who may do what.
    Admin,
}

impl Role {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Role, String> {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|r| r.as_str() == word)
            .ok_or_else(|| format!("`{word}` is no role; use viewer, operator or admin"))
    }
}

/// Who calls: put into the request by the server's sign-in layer, taken out by handlers. A handler
/// that changes something takes [`Operator`] or [`Admin`] instead.
#[derive(Debug, Clone)]
pub struct Caller {
    /// A user's or token's name, or `local-root`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The address they call from; `None` on a local socket.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// The caller as the actor of an event.
    pub fn actor(&self) -> palisade_core::Actor {
        let from = self.address.map_or_else(|| "local socket".to_owned(), |a| a.to_string());
        palisade_core::Actor { name: self.name.clone(), from: Some(from) }
    }

    /// `Ok(true)` to do it, or the reason why not: the value of an entry of `can`.
    pub fn can(&self, needed: Role) -> Can {
        if self.role >= needed { Can::Yes(true) } else { Can::No(format!("needs role {}", needed.as_str())) }
    }
}

/// Whether an action is possible: `true`, or the reason why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Can {
    /// Possible; always `true`.
    Yes(bool),
    /// Not possible, and why.
    No(String),
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

/// A caller that may change hosts.
#[derive(Debug, Clone)]
pub struct Operator(pub Caller);

/// A caller that may change who may do what.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        allowed(parts, state, Role::Operator).await.map(Operator)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        allowed(parts, state, Role::Admin).await.map(Admin)
    }
}

async fn allowed<S: Send + Sync>(parts: &mut Parts, state: &S, needed: Role) -> Result<Caller, ApiError> {
    let caller = Caller::from_request_parts(parts, state).await?;
    match caller.can(needed) {
        Can::Yes(_) => Ok(caller),
        Can::No(reason) => Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", reason).hint(format!(
            "you are `{}` with role {}",
            caller.name,
            caller.role.as_str()
        ))),
    }
}

/// The body of every error answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Stable, for programs: `not_found`, `invalid`, `conflict`, ….
    pub code: String,
    /// What is wrong, naming what and where.
    pub message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// Which part of the request is wrong, if one is: `resources[2].spec.region`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
}

/// An error answer: whose fault it is lies in the status (4xx the caller, 5xx Palisade or its host).
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// Any error.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> ApiError {
        ApiError { status, body: ErrorBody { code: code.to_owned(), message: message.into(), hint: None, path: None } }
    }

    /// 400: the request makes no sense; the message names the field.
    pub fn invalid(message: impl std::fmt::Display) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid", message.to_string())
    }

    /// 404.
    pub fn not_found(what: impl std::fmt::Display) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("{what} does not exist"))
    }

    /// 409: it conflicts with what is there; the message says with what.
    pub fn conflict(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 401.
    pub fn unauthenticated() -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "sign in first")
            .hint("send `Authorization: Bearer TOKEN`, or sign in with the console")
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.body.hint = Some(hint.into());
        self
    }

    /// Names the part of the request that is wrong; where a part of that is named already, `path` is
    /// put in front of it.
    pub fn at(mut self, path: impl Into<String>) -> ApiError {
        let mut path = path.into();
        if let Some(inner) = self.body.path.filter(|inner| !inner.is_empty()) {
            path.push_str(if path.is_empty() || inner.starts_with('[') { "" } else { "." });
            path.push_str(&inner);
        }
        self.body.path = Some(path);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.body.message
    }

    /// Which part of the request is wrong, if one is named.
    pub fn path(&self) -> Option<&str> {
        self.body.path.as_deref()
    }

    /// What to do next, if it is said.
    pub fn hinted(&self) -> Option<&str> {
        self.body.hint.as_deref()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<GuardError> for ApiError {
    fn from(error: GuardError) -> ApiError {
        match error {
            GuardError::Refused(why) => ApiError::conflict(why),
            GuardError::Database(error) => error.into(),
            other => internal(&other),
        }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> ApiError {
        let text = chain(&error);
        // SQLITE_FULL, and the I/O errors of a disk without room for the log: write and shm size
        if ["(code: 13)", "(code: 778)", "(code: 4874)"].iter().any(|code| text.contains(code)) {
            tracing::error!(error = text, "disk full");
            return ApiError::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "the server's disk is full; nothing was changed",
            )
            .hint("free space in the data directory of the server, then try again");
        }
        internal(&error)
    }
}

fn internal(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(error = chain(error), "request failed");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server could not do this; its log says why")
        .hint("try again; if it stays, look at the server's log")
}

/// A JSON body; one that cannot be read is an [`ApiError`] that says what and where.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let refused = |e: axum::extract::rejection::BytesRejection| ApiError::new(e.status(), "invalid", e.body_text());
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(refused)?;
        // no body is an empty object, so that a change whose parts are all optional needs none
        let bytes = if bytes.is_empty() { "{}".into() } else { bytes };
        serde_json::from_slice(&bytes).map(Body).map_err(|e| ApiError::invalid(format!("the body: {e}")))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// At most this many, 1 to 1,000; 100 if absent.
    pub limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Words that must all occur, without regard to case.
    pub q: Option<String>,
    /// A column, with `-` before it for descending.
    pub sort: Option<String>,
}

impl PageParams {
    /// The number of rows asked for.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1_000) as usize
    }

    /// The number of rows to skip.
    pub fn offset(&self) -> Result<usize, ApiError> {
        match self.cursor.as_deref() {
            None | Some("") => Ok(0),
            Some(text) => text.parse().map_err(|_| ApiError::invalid("`cursor` is not one that this server gave")),
        }
    }

    /// True if every word of `q` occurs in one of `texts`.
    pub fn matches(&self, texts: &[&str]) -> bool {
        self.q.iter().flat_map(|q| q.split_whitespace()).all(|word| {
            let word = word.to_lowercase();
            texts.iter().any(|text| text.to_lowercase().contains(&word))
        })
    }
}

/// A part of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many there are in all, with the same filter.
    pub total: u64,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<String>,
    /// Why the list is empty, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl<T> Page<T> {
    /// The page of `all` that `params` asks for.
    pub fn of(all: Vec<T>, params: &PageParams) -> Result<Page<T>, ApiError> {
        let (offset, limit, total) = (params.offset()?, params.limit(), all.len());
        let items = all.into_iter().skip(offset).take(limit).collect();
        let next_cursor = (offset + limit < total).then(|| (offset + limit).to_string());
        Ok(Page { items, total: total as u64, next_cursor, reason: None })
    }

    /// Says why there is nothing, if there is nothing.
    pub fn because(mut self, reason: impl Into<String>) -> Page<T> {
        if self.total == 0 {
            self.reason = Some(reason.into());
        }
        self
    }
}
