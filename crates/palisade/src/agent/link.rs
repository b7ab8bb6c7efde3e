//! The agent's end of the link: reports up, specs down, over a connection that may end at any time.

use super::{Agent, job};
use crate::link::http::{Target, body, send};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use palisade_core::{Clock, Generation, Job, Report, SystemClock};
use palisade_guard::link::{Acknowledged, Down, HEARTBEAT_S, Hello, REPORT_BYTES_MAX, Up, Welcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Records in one report; more follow in the next.
const RECORDS_MAX: usize = 500;
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(15);
/// A server that is silent on the stream of orders for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(HEARTBEAT_S * 3);
const ANSWER_BYTES_MAX: usize = 1 << 20;
const LINE_BYTES_MAX: usize = 64 << 20;

/// Runs until the agent ends.
pub async fn run(agent: Arc<Agent>, socket: PathBuf) {
    let target = Target::Unix(socket);
    let mut wait = RETRY_FIRST;
    while !agent.ended.load(Ordering::Relaxed) {
        match connected(&agent, &target).await {
            Ok(()) => wait = RETRY_FIRST,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "no link to the server"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_LONGEST);
    }
}

/// One connection: says hello, then reports and listens until one of both fails.
async fn connected(agent: &Arc<Agent>, target: &Target) -> Result<()> {
    let hello = Hello {
        host: agent.id().clone(),
        facts: agent.facts(),
        now: Some(SystemClock.now()),
        machine: None,
        run: None,
        specs: BTreeMap::new(),
        epoch: 0,
    };
    let welcome: Welcome = post(target, "/link/v1/hello", &hello).await?;
    tracing::info!(host.id = %agent.id(), "linked to the server");
    agent.looks.reconnected();
    let mut session =
        Session { agent, target, stored: welcome.streams, reported: HashMap::new(), jobs: HashMap::new() };
    for (word, seq) in &session.stored {
        if let Some(spool) = agent.spools.get(word.as_str()) {
            spool.acknowledged(*seq);
        }
    }
    tokio::select! {
        result = session.report() => result,
        result = listen(agent, target) => result,
    }
}

struct Session<'a> {
    agent: &'a Agent,
    target: &'a Target,
    /// How far the server has stored each stream.
    stored: BTreeMap<String, u64>,
    /// The last report of each keeper that the server has.
    reported: HashMap<String, (Generation, jiff::Timestamp)>,
    /// The jobs as the server has them.
    jobs: HashMap<String, Job>,
}

impl Session<'_> {
    async fn report(&mut self) -> Result<()> {
        loop {
            let more = self.report_once().await?;
            if more {
                continue;
            }
            let woken = self.agent.wake.notified();
            let _ = tokio::time::timeout(Duration::from_secs(HEARTBEAT_S), woken).await;
        }
    }

    /// Sends what there is, and says whether there is more.
    async fn report_once(&mut self) -> Result<bool> {
        let looks = self.agent.looks.outgoing();
        let mut records = BTreeMap::new();
        for (word, spool) in &self.agent.spools {
            let from = self.stored.get(*word).copied().unwrap_or(0);
            let waiting = spool.after(from, RECORDS_MAX);
            if !waiting.is_empty() {
                records.insert((*word).to_owned(), waiting);
            }
        }
        let more = records.values().any(|r: &Vec<_>| r.len() == RECORDS_MAX);
        let reports = self.reports();
        let jobs =
            self.agent.jobs.list().into_iter().filter(|j| self.jobs.get(&j.order) != Some(j)).collect::<Vec<_>>();
        let up = Up {
            host: self.agent.id().clone(),
            looks: looks.iter().map(|l| l.report.clone()).collect(),
            records,
            reports: reports.clone(),
            jobs: jobs.clone(),
            lost: BTreeMap::new(),
            operator_at: None,
        };
        let acknowledged: Acknowledged = post(self.target, "/link/v1/report", &up).await?;
        self.agent.looks.acknowledged(&looks);
        for report in reports {
            self.reported.insert(report.guard, (report.generation, report.at));
        }
        self.jobs.extend(jobs.into_iter().map(|job| (job.order.clone(), job)));
        for (word, seq) in &acknowledged.streams {
            if let Some(spool) = self.agent.spools.get(word.as_str()) {
                spool.acknowledged(*seq);
            }
        }
        self.stored = acknowledged.streams;
        self.agent.acknowledged_s.store(SystemClock.now().as_second(), Ordering::Relaxed);
        Ok(more)
    }

    fn reports(&self) -> Vec<Report> {
        let last = self.agent.keepers.values().filter_map(super::keep::KeeperHandle::report);
        last.filter(|r| self.reported.get(&r.guard) != Some(&(r.generation, r.at))).collect()
    }
}

/// Takes orders, one JSON document per line.
async fn listen(agent: &Arc<Agent>, target: &Target) -> Result<()> {
    let path = format!("/link/v1/orders?host={}", agent.id());
    let request = Request::builder().method(Method::GET).uri(path).header("host", "palisade").body(Full::default())?;
    let response = send(target, request).await?;
    if response.status() != StatusCode::OK {
        bail!("the server answered {} to the request for orders", response.status());
    }
    let mut stream = response.into_body();
    let mut buffer = Vec::new();
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, stream.frame()).await.context("the server is silent")?;
        let Some(frame) = frame else { return Ok(()) };
        let Ok(data) = frame.context("reading orders")?.into_data() else { continue };
        buffer.extend_from_slice(&data);
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            obey(agent, &line);
        }
        if buffer.len() > LINE_BYTES_MAX {
            bail!("an order is longer than {LINE_BYTES_MAX} bytes");
        }
    }
}

fn obey(agent: &Arc<Agent>, line: &[u8]) {
    match serde_json::from_slice(line) {
        Ok(Down::Spec { guard, generation, spec }) => match agent.keepers.get(guard.as_str()) {
            Some(keeper) => keeper.spec(generation, spec),
            None => tracing::warn!(guard, "refused a spec for a guard that keeps nothing here"),
        },
        Ok(Down::Live { until }) => {
            // looking on is bounded here too, whatever the server says
            let longest = SystemClock.now().as_second() + 60;
            agent.live_until_s.store(until.as_second().min(longest), Ordering::Relaxed);
        }
        Ok(Down::Order(order)) => job::take(agent, order),
        // not sent to agents that do not say what they hold
        Ok(Down::Heartbeat | Down::Delta { .. } | Down::Epoch(_)) => {}
        Err(error) => tracing::warn!(%error, "refused an order that this version does not understand"),
    }
}

async fn post<T: Serialize, A: DeserializeOwned>(target: &Target, path: &str, message: &T) -> Result<A> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > REPORT_BYTES_MAX {
        bail!("a report of {} bytes is larger than the {REPORT_BYTES_MAX} that a server reads", bytes.len());
    }
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "palisade")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(bytes)))?;
    let response = tokio::time::timeout(Duration::from_secs(60), send(target, request))
        .await
        .context("no answer within 60 s")??;
    let status = response.status();
    let answer = body(response, ANSWER_BYTES_MAX).await?;
    if status != StatusCode::OK {
        bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
    }
    serde_json::from_slice(&answer).with_context(|| format!("the answer to {path}"))
}
