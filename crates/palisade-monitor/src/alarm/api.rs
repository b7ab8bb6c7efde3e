//! x
use palisade_guard::ServerContext;
use utoipa_axum::router::OpenApiRouter;
/// x
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
}
