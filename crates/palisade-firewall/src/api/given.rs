//! Requests that could not be read, as error answers like all others: which field, and why.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use palisade_core::Cidr;
use palisade_guard::api::ApiError;
use palisade_guard::cli::printable;

/// The most of a reader's message that goes into an answer: it may quote the request.
const MESSAGE_CHARS_MAX: usize = 300;

/// The body, or what is wrong with it.
pub fn body<T>(given: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    given.map(|Json(body)| body).map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the request is larger than the server takes")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", "the request is not JSON")
                .hint("send `Content-Type: application/json`")
        }
        _ => ApiError::invalid(said(&rejection.body_text())),
    })
}

/// The query, or what is wrong with it.
pub fn query<T>(given: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    given.map(|Query(query)| query).map_err(|rejection| ApiError::invalid(said(&rejection.body_text())))
}

/// The network in a path.
pub fn cidr(text: &str) -> Result<Cidr, ApiError> {
    text.parse().map_err(ApiError::invalid)
}

/// Without the extractor's own opening words.
fn said(text: &str) -> String {
    let openings = ["target type: ", "as JSON: ", "query string: "];
    let short = openings.iter().find_map(|opening| text.split_once(opening)).map_or(text, |(_, rest)| rest);
    printable(&short.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
}
