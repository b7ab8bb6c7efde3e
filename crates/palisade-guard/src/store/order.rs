//! Orders, and how far their jobs are.

use super::epoch::first_number;
use super::{from_json, json};
use crate::GuardError;
use palisade_core::{HostId, Job, Order};
use sqlx::SqliteConnection;

/// A new order id: `o-1`, `o-2`, …; from `o-1000001` on in the second epoch.
pub async fn order_id(db: &mut SqliteConnection) -> Result<String, GuardError> {
    let first = first_number(&mut *db).await?;
    let (n,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(n), 0) + 1 FROM frame_order").fetch_one(db).await?;
    Ok(format!("o-{}", n.max(first)))
}

fn order_number(id: &str) -> i64 {
    id.strip_prefix("o-").and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Stores an order, new or changed.
pub async fn order_put(db: &mut SqliteConnection, order: &Order) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_order (n, host, open, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (n) DO UPDATE SET open = excluded.open, body = excluded.body",
    )
    .bind(order_number(&order.id))
    .bind(order.host.as_str())
    .bind(i64::from(!order.job.state.is_over()))
    .bind(json(order))
    .execute(db)
    .await?;
    Ok(())
}

/// One order.
pub async fn order(db: &mut SqliteConnection, id: &str) -> Result<Option<Order>, GuardError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM frame_order WHERE n = $1").bind(order_number(id)).fetch_optional(db).await?;
    row.map(|(body,)| from_json("order", &body)).transpose()
}

/// The newest orders, newest first.
pub async fn orders(db: &mut SqliteConnection) -> Result<Vec<Order>, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT body FROM frame_order ORDER BY n DESC LIMIT 1000").fetch_all(db).await?;
    rows.into_iter().map(|(body,)| from_json("order", &body)).collect()
}

/// The orders of a host that are not over, oldest first.
pub async fn orders_open(db: &mut SqliteConnection, host: &HostId) -> Result<Vec<Order>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM frame_order WHERE open = 1 AND host = $1 ORDER BY n")
        .bind(host.as_str())
        .fetch_all(db)
        .await?;
    rows.into_iter().map(|(body,)| from_json("order", &body)).collect()
}

/// Takes in how far a job is; a job of another host's order, or one that is over, changes nothing.
pub async fn job_put(db: &mut SqliteConnection, host: &HostId, job: &Job) -> Result<(), GuardError> {
    match order(db, &job.order).await? {
        Some(mut order) if order.host == *host && !order.job.state.is_over() => {
            order.job = job.clone();
            order_put(db, &order).await
        }
        _ => Ok(()),
    }
}
