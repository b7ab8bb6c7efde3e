//! A stream ends with what it was opened by.

use crate::server::fixture::{Bench, Browser};
use futures_util::StreamExt;
use serde_json::json;
use std::time::Duration;

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_stream_ends_when_its_user_is_disabled_and_not_when_another_is() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    bench.user("bert", "viewer").await;
    let anna: Browser = bench.signed_in("anna").await;
    let mut parts = bench.open(&anna, "/api/v1/stream").await.into_data_stream();
    assert!(parts.next().await.unwrap().is_ok(), "the first heartbeat");
    bench.local("PATCH", "/api/v1/users/bert", json!({ "disabled": true })).await;
    let told = tokio::time::timeout(LIMIT, parts.next()).await.unwrap();
    assert!(String::from_utf8_lossy(&told.unwrap().unwrap()).contains("users"), "it goes on");
    bench.local("PATCH", "/api/v1/users/anna", json!({ "disabled": true })).await;
    let rest = tokio::time::timeout(LIMIT, parts.collect::<Vec<_>>()).await;
    assert!(rest.is_ok(), "it ends");
}
