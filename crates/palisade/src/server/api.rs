//! All addresses of the server in one place, and the OpenAPI document that describes them.

use super::body::APPLY_BYTES_MAX;
use super::{
    Server, access, assets, findings, hosts, link, orders, overview, plans, resources, session, status, stream, tokens,
};
use crate::guards;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use palisade_guard::link::REPORT_BYTES_MAX;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

/// What the network reaches: static files, and the API behind the sign-in layer.
pub fn network(server: Server) -> Router {
    signed_in(server).fallback(assets::file).layer(middleware::map_response(headers))
}

/// What root on the same machine reaches: the API as admin, and the link of the agent.
pub fn local(server: Server) -> Router {
    let link = link::router().with_state(server.clone()).layer(DefaultBodyLimit::max(REPORT_BYTES_MAX));
    signed_in(server).merge(link)
}

/// The OpenAPI document.
pub fn openapi() -> OpenApi {
    let mut document = frame().split_for_parts().1;
    for guard in guards::all() {
        if let Some(serve) = guard.server {
            document.merge(serve.api().split_for_parts().1);
        }
    }
    document
}

fn signed_in(server: Server) -> Router {
    let mut router = frame().with_state(server.clone()).split_for_parts().0;
    for guard in server.guards.iter() {
        if let Some(serve) = &guard.server {
            router = router.merge(serve.api().with_state(server.context.clone()).split_for_parts().0);
        }
    }
    router.layer(middleware::from_fn_with_state(server, access::layer))
}

fn frame() -> OpenApiRouter<Server> {
    OpenApiRouter::with_openapi(description())
        .routes(routes!(session::sign_in))
        .routes(routes!(session::show, session::create, session::delete))
        .routes(routes!(session::welcome))
        .routes(routes!(session::link_create))
        .routes(routes!(status::show))
        .routes(routes!(overview::show))
        .routes(routes!(hosts::list))
        .routes(routes!(hosts::show))
        .routes(routes!(hosts::practices))
        .routes(routes!(findings::list))
        .routes(routes!(findings::show))
        .routes(routes!(orders::list, orders::create))
        .routes(routes!(orders::show))
        .routes(routes!(orders::cancel))
        .routes(routes!(plans::list))
        .routes(routes!(plans::show))
        .routes(routes!(plans::confirm))
        .routes(routes!(plans::rollback))
        .routes(routes!(resources::kind_list))
        .routes(routes!(resources::list))
        .routes(routes!(resources::show, resources::delete))
        .routes(routes!(resources::versions))
        .routes(routes!(resources::apply).layer(DefaultBodyLimit::max(APPLY_BYTES_MAX)))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(stream::changes))
}

fn description() -> OpenApi {
    let info = InfoBuilder::new().title("Palisade").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Protects a fleet of Linux servers. Every change answers with a plan; every view says when it was observed.",
    ));
    let mut components = utoipa::openapi::Components::new();
    components
        .add_security_scheme("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(access::COOKIE))));
    OpenApiBuilder::new().info(info.build()).components(Some(components)).build()
}

/// Headers of every answer, so that a page can load and do only what is ours.
async fn headers(mut response: Response) -> Response {
    const SET: [(header::HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; object-src 'none'; base-uri 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let map = response.headers_mut();
    for (name, value) in SET {
        map.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
