//! Static files for a host that joins: this program, and the certificate of the root.
//!
//! Anybody may read them: both are public, and a host that has not joined yet cannot sign in.

use super::Server;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use palisade_guard::api::ApiError;

/// Their address; nothing else lies below it.
pub const ADDRESS: &str = "/install";
const ROOT_FILE: &str = "ca.pem";
const PROGRAM_PREFIX: &str = "palisade-";
/// When too many download at once, in seconds.
const COME_AGAIN_S: HeaderValue = HeaderValue::from_static("15");

/// The addresses; GET and HEAD only.
pub fn router(server: Server) -> Router {
    let nothing = || async { ApiError::not_found("this file").into_response() };
    Router::new()
        .route("/install/{file}", get(file))
        .route("/install", get(nothing))
        .route("/install/", get(nothing))
        .route("/install/{file}/{*rest}", get(nothing))
        .with_state(server)
}

/// The name under which the program for machines of `arch` is served.
pub fn program_name(arch: &str) -> String {
    format!("{PROGRAM_PREFIX}{arch}")
}

async fn file(State(server): State<Server>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if name == ROOT_FILE {
        return root(&server);
    }
    let Some(arch) = name.strip_prefix(PROGRAM_PREFIX) else {
        return ApiError::not_found(format!("a file `{name}`")).into_response();
    };
    match program(&server, arch, &headers).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

fn root(server: &Server) -> Response {
    let kind = HeaderValue::from_static("application/x-pem-file");
    let named = HeaderValue::from_static("attachment; filename=\"ca.pem\"");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, named)], server.authority.root_pem()).into_response()
}

async fn program(server: &Server, arch: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let unreadable = |error: anyhow::Error| {
        tracing::error!(error = format!("{error:#}"), "handing out this program");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server cannot read its own program")
    };
    let facts = server.program.facts().await.map_err(unreadable)?;
    if arch != facts.arch {
        let hint = format!("this server has the one for {}; get the other from where you got this one", facts.arch);
        return Err(ApiError::not_found(format!("a program for {arch}")).hint(hint));
    }
    let tag = HeaderValue::from_str(&format!("\"{}\"", facts.sha256)).expect("hexadecimal is valid in a header");
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let Some(body) = server.program.body().await.map_err(unreadable)? else {
        let busy = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many hosts download at once");
        return Ok(([(header::RETRY_AFTER, COME_AGAIN_S)], busy.hint("try again in 15 s")).into_response());
    };
    let named = format!("attachment; filename=\"{}\"", program_name(facts.arch));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, facts.bytes.into()),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&named).expect("the name of an architecture is a word")),
        (header::ETAG, tag),
    ];
    Ok((headers, body).into_response())
}
