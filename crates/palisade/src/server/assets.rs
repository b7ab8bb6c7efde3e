//! The console: files built from `console/`, embedded in the binary.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "../../console/dist/"]
#[allow_missing = true]
struct Console;

/// A file of the console; any other address that is not the API's gets its index page, because
/// the console's routes are addresses too.
pub async fn file(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if ["api/", "link/", "install/"].iter().any(|ours| path.starts_with(ours)) || path == "install" {
        return palisade_guard::api::ApiError::not_found("this address").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    if let Some(file) = Console::get(path).filter(|_| path != "index.html") {
        return answer(path, file);
    }
    match Console::get("index.html") {
        Some(page) => answer("index.html", page),
        None => (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("unbuilt.html"))
            .into_response(),
    }
}

fn answer(path: &str, file: EmbeddedFile) -> Response {
    let mut response = file.data.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    if path.starts_with("assets/") {
        // the build puts a hash of the content into these names
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
