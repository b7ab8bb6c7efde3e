//! Users: who may sign in, as what.

use super::user_store::{self as store, UserRow};
use super::welcome::{self, LinkView};
use super::{Server, access_store, password, tokens};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use palisade_core::Timestamp;
use palisade_guard::api::{Admin, ApiError, Body, Caller, Can, ErrorBody, Page, PageParams, Role};
use palisade_guard::db::Write;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

const LAST_ADMIN: &str = "the last admin who can sign in";

/// A user.
#[derive(Serialize, ToSchema)]
pub struct UserView {
    name: String,
    role: Role,
    disabled: bool,
    /// Whether a second factor is in force.
    totp: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sign_in_at: Option<Timestamp>,
    /// Until when sign-in is locked from at least one address.
    #[schema(value_type = Option<String>, format = DateTime)]
    locked_until: Option<Timestamp>,
    /// When the password has to be changed; absent until one is set.
    #[schema(value_type = Option<String>, format = DateTime)]
    password_due_at: Option<Timestamp>,
    /// How many sessions are open.
    sessions: usize,
    can: BTreeMap<String, Can>,
}

/// Who a new user shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserParams {
    /// 1 to 64 of letters, digits, `.`, `_`, `-`, `@`.
    name: String,
    role: Role,
    /// Without it, the user sets one by a one-time link.
    password: Option<String>,
}

/// A new user.
#[derive(Serialize, ToSchema)]
pub struct UserCreated {
    name: String,
    role: Role,
    /// With which the user sets a password, once; shown this once.
    link: Option<LinkView>,
}

/// What of a user shall change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    role: Option<Role>,
    disabled: Option<bool>,
}

/// All users.
#[utoipa::path(get, path = "/api/v1/users", tag = "frame", responses((status = 200, body = Page<UserView>), (status = 403, body = ErrorBody)))]
pub async fn list(State(server): State<Server>, Admin(_caller): Admin) -> Result<Json<Page<UserView>>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let all = store::users(&mut db).await?;
    let sessions = access_store::sessions(&mut db, server.context.now()).await?;
    let open = |user: &UserRow| sessions.iter().filter(|s| s.name == user.name).count();
    let views = all.iter().map(|user| view(&server, user, &all, open(user))).collect();
    let page = PageParams { limit: Some(1000), ..PageParams::default() };
    Ok(Json(Page::of(views, &page)?.because("nobody has signed in yet: the server printed a one-time link")))
}

/// Makes a user, with a password or with a one-time link that sets one.
#[utoipa::path(post, path = "/api/v1/users", tag = "frame", request_body = UserParams,
    responses((status = 201, body = UserCreated), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(server): State<Server>,
    Admin(caller): Admin,
    Body(params): Body<UserParams>,
) -> Result<(StatusCode, Json<UserCreated>), ApiError> {
    welcome::name_rule(&params.name)?;
    let hash = match params.password {
        Some(password) => {
            password::rule(&params.name, &password)?;
            Some(server.access.hasher.hash(password).await?)
        }
        None => None,
    };
    let (name, role, now) = (params.name, params.role, server.context.now());
    let mut tx = server.begin().await?;
    if !store::user_insert(&mut tx, &name, role, hash.as_deref(), now).await? {
        return Err(welcome::exists(&name));
    }
    let link = match hash {
        Some(_) => None,
        None => Some(welcome::link_put(&mut tx, Some(&name), now).await?),
    };
    let message = format!("made the user {name} with role {}", role.as_str());
    done(&server, tx, &caller, "frame.user.create", &name, message).await?;
    Ok((StatusCode::CREATED, Json(UserCreated { name, role, link })))
}

/// Changes a user's role, or whether they may sign in. Both take effect at once.
#[utoipa::path(patch, path = "/api/v1/users/{name}", tag = "frame", params(("name" = String, Path)), request_body = UserChange,
    responses((status = 200, body = UserView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn change(
    State(server): State<Server>,
    Admin(caller): Admin,
    Path(name): Path<String>,
    Body(params): Body<UserChange>,
) -> Result<Json<UserView>, ApiError> {
    let mut tx = server.begin().await?;
    let before = find(&mut tx, &name).await?;
    let role = params.role.unwrap_or(before.role);
    let disabled = params.disabled.unwrap_or(before.disabled);
    let stays_admin = role == Role::Admin && !disabled;
    if before.is_active_admin() && !stays_admin && is_last(&store::users(&mut tx).await?, &before) {
        return Err(ApiError::conflict(format!("`{name}` is {LAST_ADMIN}"))
            .hint("make another admin first, so that somebody can still change who may do what"));
    }
    store::user_change(&mut tx, &name, role, disabled).await?;
    if disabled {
        access_store::sessions_delete(&mut tx, &name, "").await?;
        store::links_delete(&mut tx, &name).await?;
    }
    let (kind, message) = told(&before, role, disabled);
    done(&server, tx, &caller, kind, &name, message).await?;
    let mut db = server.context.db.read().acquire().await?;
    let all = store::users(&mut db).await?;
    let after = all.iter().find(|u| u.name == name).ok_or_else(|| missing(&name))?;
    let open = access_store::sessions(&mut db, server.context.now()).await?.iter().filter(|s| s.name == name).count();
    Ok(Json(view(&server, after, &all, open)))
}

/// Makes a one-time link with which a user sets a new password; older ones end.
#[utoipa::path(post, path = "/api/v1/users/{name}/link", tag = "frame", params(("name" = String, Path)),
    responses((status = 200, body = LinkView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn link(
    State(server): State<Server>,
    Admin(caller): Admin,
    Path(name): Path<String>,
) -> Result<Json<LinkView>, ApiError> {
    let mut tx = server.begin().await?;
    let user = find(&mut tx, &name).await?;
    if user.disabled {
        return Err(ApiError::conflict(format!("`{name}` is disabled")).hint("enable the user first"));
    }
    let link = welcome::link_put(&mut tx, Some(&name), server.context.now()).await?;
    done(&server, tx, &caller, "frame.user.link", &name, format!("made a one-time link for {name}")).await?;
    Ok(Json(link))
}

/// Takes a user's second factor away, who has lost it.
#[utoipa::path(delete, path = "/api/v1/users/{name}/totp", tag = "frame", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn totp_reset(
    State(server): State<Server>,
    Admin(caller): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = server.begin().await?;
    let user = find(&mut tx, &name).await?;
    if user.totp.is_none() {
        return Err(ApiError::conflict(format!("`{name}` has no second factor")));
    }
    store::totp_delete(&mut tx, &name).await?;
    done(&server, tx, &caller, "frame.user.totp", &name, format!("took the second factor of {name} away")).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(server: &Server, user: &UserRow, all: &[UserRow], sessions: usize) -> UserView {
    let last = user.is_active_admin() && is_last(all, user);
    let if_not = |no: bool, why: &str| if no { Can::No(why.to_owned()) } else { Can::Yes(true) };
    let can = [
        ("role", if_not(last, LAST_ADMIN)),
        ("disable", if_not(last || user.disabled, if last { LAST_ADMIN } else { "is disabled already" })),
        ("enable", if_not(!user.disabled, "is not disabled")),
        ("link", if_not(user.disabled, "is disabled")),
        ("totp_reset", if_not(user.totp.is_none(), "has no second factor")),
    ];
    UserView {
        name: user.name.clone(),
        role: user.role,
        disabled: user.disabled,
        totp: user.totp.is_some(),
        created_at: user.created_at,
        last_sign_in_at: user.signed_in_at,
        locked_until: server.access.guessing.locked_until(&user.name, server.context.now()),
        password_due_at: user.password.as_ref().map(|_| password::due_at(user.password_at)),
        sessions,
        can: can.into_iter().map(|(action, can)| (action.to_owned(), can)).collect(),
    }
}

/// Whether nobody but `user` can sign in as an admin.
fn is_last(all: &[UserRow], user: &UserRow) -> bool {
    !all.iter().any(|other| other.name != user.name && other.is_active_admin())
}

fn told(before: &UserRow, role: Role, disabled: bool) -> (&'static str, String) {
    let mut said = Vec::new();
    if role != before.role {
        said.push(format!("role {} instead of {}", role.as_str(), before.role.as_str()));
    }
    let kind = match (before.disabled, disabled) {
        (false, true) => "frame.user.disable",
        (true, false) => "frame.user.enable",
        _ => "frame.user.role",
    };
    if before.disabled != disabled {
        said.push(if disabled { "disabled" } else { "enabled" }.to_owned());
    }
    let what = if said.is_empty() { "nothing new".to_owned() } else { said.join(", ") };
    (kind, format!("changed the user {}: {what}", before.name))
}

async fn find(tx: &mut Write, name: &str) -> Result<UserRow, ApiError> {
    store::user(tx, name).await?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("a user `{name}`"))
}

/// Records and commits a change; whoever may do less by it is asked anew.
async fn done(
    server: &Server,
    mut tx: Write,
    caller: &Caller,
    kind: &str,
    name: &str,
    message: String,
) -> Result<(), ApiError> {
    server.context.record(&mut tx, &tokens::event(server.context.now(), kind, caller, name, message)).await?;
    tx.commit().await?;
    server.access.less();
    server.context.publish(&["users", "sessions", "journal"]);
    Ok(())
}
