//! `GET /metrics`: the newest values of every host in the text format that Prometheus scrapes.

use super::aggregate::number;
use super::api::kind;
use super::error::{QueryError, Unreadable};
use super::load::known;
use crate::catalogue::CATALOGUE;
use crate::model::{Frame, SeriesKey};
use crate::store;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use palisade_core::{HostId, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::Caller;
use std::collections::HashMap;
use std::fmt::Write;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A host that has been silent for longer is left out: its values are no longer true.
const FRESH_S: i64 = 300;
/// Hosts whose frames are read at a time.
const HOSTS_OF_A_READ: usize = 200;
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The router.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(metrics_text))
}

/// The newest values of every host that was heard of within 5 minutes, to be scraped by Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "monitor", responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics_text(_: Caller, State(context): State<ServerContext>) -> Result<Response, QueryError> {
    let unreadable = |error: &dyn std::error::Error| Unreadable(palisade_guard::contract::chain(error));
    let now = context.now();
    let mut db = context.db.read().acquire().await.map_err(|e| unreadable(&e))?;
    let ids: Vec<HostId> = known(&mut db).await?.into_iter().map(|known| known.id).collect();
    let mut page = Page::default();
    for part in ids.chunks(HOSTS_OF_A_READ) {
        let mut frames = store::latest_of(&mut db, part).await.map_err(|e| unreadable(&e))?;
        part.iter().for_each(|host| page.add(host, frames.remove(host), now));
        if page.bytes > ANSWER_BYTES_MAX {
            let message =
                format!("the answer would have more than {ANSWER_BYTES_MAX} bytes; query with PromQL instead");
            return Err(QueryError::TooMuch(message));
        }
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], page.text()).into_response())
}

/// The samples of each metric, written as they came.
#[derive(Default)]
struct Page {
    by_metric: HashMap<&'static str, String>,
    hosts: String,
    ages: String,
    bytes: usize,
}

impl Page {
    fn add(&mut self, host: &HostId, frame: Option<Frame>, now: Timestamp) {
        let age_s = frame.as_ref().map(|frame| now.as_second() - frame.at.as_second());
        let fresh = frame.filter(|_| age_s.is_some_and(|age_s| age_s <= FRESH_S));
        // writing to a string cannot fail
        let _ = writeln!(self.hosts, "palisade_host_up{{host=\"{host}\"}} {}", u8::from(fresh.is_some()));
        if let Some(age_s) = age_s {
            let _ = writeln!(self.ages, "palisade_host_sample_age_seconds{{host=\"{host}\"}} {}", age_s.max(0));
        }
        for (key, value) in fresh.iter().flat_map(|frame| &frame.metrics) {
            let Some(key) = SeriesKey::parse(key) else { continue };
            let Some(metric) = crate::catalogue::metric(&key.name) else { continue };
            let line = sample(host, &key, *value);
            self.bytes += line.len();
            self.by_metric.entry(metric.name).or_default().push_str(&line);
        }
    }

    fn text(self) -> String {
        let mut text = String::with_capacity(self.bytes + (64 << 10));
        for metric in CATALOGUE {
            if let Some(samples) = self.by_metric.get(metric.name) {
                text.push_str(&family(metric.name, metric.help, samples));
            }
        }
        text.push_str(&family(
            "palisade_host_up",
            "1 when the host sent samples in the last 5 minutes, else 0.",
            &self.hosts,
        ));
        let help = "How old the newest samples of the host are.";
        text.push_str(&family("palisade_host_sample_age_seconds", help, &self.ages));
        let version = env!("CARGO_PKG_VERSION");
        let build = format!("palisade_build_info{{version=\"{version}\"}} 1\n");
        text.push_str(&family("palisade_build_info", "The version of this server.", &build));
        text
    }
}

fn family(name: &str, help: &str, samples: &str) -> String {
    format!("# HELP {name} {}\n# TYPE {name} {}\n{samples}", help.replace('\\', "\\\\"), kind(name))
}

fn sample(host: &HostId, key: &SeriesKey, value: f64) -> String {
    let own = key.label.as_ref().map(|(label, value)| format!(",{label}=\"{}\"", escaped(value))).unwrap_or_default();
    format!("{}{{host=\"{host}\"{own}}} {}\n", key.name, number(value))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
