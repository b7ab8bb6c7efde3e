//! Proving who one is, by password and code, under the brakes against guessing.

use super::guessing::{Blocked, CODE_WEIGHT, Lock, Try, place};
use super::user_store::{self, UserRow};
use super::{Server, access_store, totp};
use axum::http::StatusCode;
use palisade_core::{Actor, Event, Outcome, Severity, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::{GuardError, contract::chain};
use std::net::IpAddr;

/// Longer names are cut before they are counted and stored.
pub const NAME_BYTES_MAX: usize = 64;

/// What somebody says who they are.
pub struct Claim<'a> {
    /// As given, known or not.
    pub name: &'a str,
    pub password: String,
    /// Six digits, or a recovery code; `None` if it was not asked for yet.
    pub code: Option<&'a str>,
    pub from: IpAddr,
}

/// What was wrong with a claim. Which of name, password and code it was is for the journal only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Password,
    Code,
}

/// The user, if the claim is true. Everything else is an answer that does not tell what was wrong,
/// except that a code is missing after a right password.
pub async fn prove(server: &Server, claim: Claim<'_>) -> Result<UserRow, ApiError> {
    let (given, from) = (claim.code, claim.from);
    let (user, tried) = password(server, claim).await?;
    code(server, &user, given, &tried, from).await?;
    end(server, &tried).await;
    Ok(user)
}

/// Proves the first factor alone, of a user who is signed in.
pub async fn prove_password(server: &Server, name: &str, given: String, from: IpAddr) -> Result<(), ApiError> {
    let (_, tried) = password(server, Claim { name, password: given, code: None, from }).await?;
    end(server, &tried).await;
    Ok(())
}

/// Proves the second factor alone, of a user who has proven the first in another way.
pub async fn prove_code(server: &Server, user: &UserRow, given: Option<&str>, from: IpAddr) -> Result<(), ApiError> {
    if user.totp.is_none() {
        return Ok(());
    }
    let tried = begin(server, &user.name, from).await?;
    code(server, user, given, &tried, from).await?;
    end(server, &tried).await;
    Ok(())
}

/// The user whose password it is, and the try, which has not ended.
async fn password(server: &Server, claim: Claim<'_>) -> Result<(UserRow, Try), ApiError> {
    let name = cut(claim.name);
    let user = {
        let mut db = server.context.db.read().acquire().await?;
        user_store::user(&mut db, name).await?
    };
    let tried = begin(server, name, claim.from).await?;
    // a disabled user's password is compared too, so that the time taken tells nothing
    let hash = user.as_ref().and_then(|u| u.password.clone());
    let compared = server.access.hasher.is_right(claim.password, hash).await;
    let right = compared.inspect_err(|_| server.access.guessing.undone(&tried))?;
    match user.filter(|user| right && !user.disabled) {
        Some(user) => Ok((user, tried)),
        None => Err(refuse(server, &tried, claim.from, Wrong::Password, claim.code.is_some()).await),
    }
}

/// Begins a try, unless a brake holds it.
async fn begin(server: &Server, name: &str, from: IpAddr) -> Result<Try, ApiError> {
    let (now, place) = (server.context.now(), place(from));
    let since = now - jiff::SignedDuration::from_secs(access_store::KNOWN_S);
    let known = {
        let mut db = server.context.db.read().acquire().await?;
        user_store::is_known(&mut db, name, &place, since).await?
    };
    server.access.guessing.begin(name, &place, known, now).map_err(|b| blocked(&b, now))
}

/// Takes the code of a user that has a second factor.
async fn code(server: &Server, user: &UserRow, given: Option<&str>, tried: &Try, from: IpAddr) -> Result<(), ApiError> {
    if user.totp.is_none() {
        return Ok(());
    }
    let Some(code) = given.map(str::trim).filter(|c| !c.is_empty()) else {
        server.access.guessing.undone(tried);
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "totp_required", "this user signs in with a code too");
        return Err(error.hint("give six digits of the authenticator, or a recovery code"));
    };
    if take_code(server, user, code).await? {
        return Ok(());
    }
    Err(refuse(server, tried, from, Wrong::Code, true).await)
}

/// Whether the code is right; it is used up.
async fn take_code(server: &Server, user: &UserRow, code: &str) -> Result<bool, ApiError> {
    let Some(secret) = &user.totp else { return Ok(false) };
    let mut tx = server.begin().await?;
    let taken = if totp::is_code(code) {
        match totp::step(secret, code, server.context.now().as_second()) {
            Some(step) => user_store::totp_take(&mut tx, &user.name, step).await?,
            None => false,
        }
    } else {
        user_store::recovery_take(&mut tx, &user.name, &totp::recovery_hash(code)).await?
    };
    tx.commit().await?;
    Ok(taken)
}

/// Ends a try that has succeeded; failures before it that are stored are forgotten.
async fn end(server: &Server, tried: &Try) {
    if !server.access.guessing.succeeded(tried) {
        return;
    }
    let forgotten = async {
        let mut tx = server.begin().await?;
        access_store::failures_delete(&mut tx, &tried.name, &tried.place).await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = forgotten.await {
        tracing::warn!(error = chain(&error), "could not forget failed sign-ins");
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn blocked(blocked: &Blocked, now: Timestamp) -> ApiError {
    let error = |code, message| ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, message);
    match blocked {
        Blocked::Locked(until) => error("locked", "too many failed sign-ins")
            .hint(format!("sign-in is locked until {}", until.strftime("%H:%M UTC"))),
        Blocked::Slowed(next) => {
            error("slowed", "too many failed sign-ins for this name, from many addresses").hint(format!(
                "try again in {} s; an address from which this user signed in lately need not wait",
                next.duration_since(now).as_secs().max(1)
            ))
        }
    }
}

/// Counts a failure, tells the journal, and makes the answer.
async fn refuse(server: &Server, tried: &Try, from: IpAddr, wrong: Wrong, with_code: bool) -> ApiError {
    let weight = if wrong == Wrong::Code { CODE_WEIGHT } else { 1 };
    let locks = server.access.guessing.failed(tried, weight);
    let event = |kind, (severity, message)| failure(server, tried, from, kind, severity, message);
    let mut events = vec![event("frame.session.fail", wrong.told())];
    events.extend(locks.into_iter().map(|lock| event("frame.session.lock", told(lock, tried))));
    let stored = async {
        let mut tx = server.begin().await?;
        access_store::failure_insert(&mut tx, &tried.name, &tried.place, tried.at).await?;
        for event in &events {
            server.context.record(&mut tx, event).await?;
        }
        tx.commit().await.map_err(GuardError::from)
    };
    // a full disk must not change the answer
    match stored.await {
        Ok(()) => server.context.publish(&["journal", "users"]),
        Err(error) => tracing::warn!(error = chain(&error), "could not record a failed sign-in"),
    }
    // whether a code was given is the caller's own knowledge
    let what = if with_code { "name, password or code wrong" } else { "name or password wrong" };
    ApiError::new(StatusCode::UNAUTHORIZED, "wrong_credentials", what)
}

impl Wrong {
    fn told(self) -> (Severity, String) {
        match self {
            Wrong::Password => (Severity::Low, "sign-in failed".to_owned()),
            Wrong::Code => {
                (Severity::High, "sign-in failed: the code was wrong, but the password was right".to_owned())
            }
        }
    }
}

fn told(lock: Lock, tried: &Try) -> (Severity, String) {
    let Try { name, place, .. } = tried;
    match lock {
        Lock::Pair => (Severity::Medium, format!("sign-in of {name} from {place} is locked for 15 minutes")),
        Lock::Address => {
            (Severity::Medium, format!("sign-in from {place} is locked for 15 minutes: it tried many times"))
        }
        Lock::Name => {
            (Severity::High, format!("sign-in of {name} takes one try at a time: many addresses guess at it"))
        }
    }
}

fn failure(server: &Server, tried: &Try, from: IpAddr, kind: &str, severity: Severity, message: String) -> Event {
    Event {
        time: server.context.now(),
        kind: kind.to_owned(),
        host: None,
        severity,
        outcome: Outcome::Failure,
        actor: Actor { name: tried.name.clone(), from: Some(from.to_string()) },
        message,
        object: Some(tried.name.clone()),
        audit: true,
        data: serde_json::Value::Null,
    }
}
