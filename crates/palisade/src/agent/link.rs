//! The agent's end of the link: reports up, specs down, over a connection that may end at any time.

use super::identity::{Identity, new_request};
use super::{Agent, job};
use crate::link::line::{Line, LineError};
use crate::link::tls::{Clock, Refusal};
use anyhow::{Context, Result, anyhow, bail};
use http_body_util::BodyExt;
use hyper::StatusCode;
use palisade_core::{Clock as _, Generation, Job, Report, SystemClock, Timestamp};
use palisade_guard::link::{Acknowledged, Bye, Down, HEARTBEAT_S, Hello, Renew, Renewed, Up, Welcome, reconnect_after};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Records in one report; more follow in the next.
const RECORDS_MAX: usize = 500;
/// Between attempts at the socket of the same machine: first, and longest.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(15);
/// A server that is silent on the stream of orders for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(HEARTBEAT_S * 3);
/// How the body of a refusal of a copy begins.
const CLONE_CODE: &str = "{\"code\":\"clone\"";
const LINE_BYTES_MAX: usize = 64 << 20;
/// A pause that the server asks for is kept up to this long.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// An agent that ends waits this long for its goodbye to arrive.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to the server.
pub enum Way {
    /// It runs on this machine.
    Socket(PathBuf),
    /// This host has joined it.
    Joined {
        /// As whom.
        identity: Box<Identity>,
        /// Where the identity is stored.
        dir: PathBuf,
    },
}

/// Why a connection was ended without a fault.
enum Next {
    /// To make a new one at once.
    Anew,
    /// The agent ends.
    End,
}

/// Runs until the agent ends.
pub async fn run(agent: Arc<Agent>, mut way: Way) {
    let mut attempt = 0u32;
    while !agent.ended.load(Ordering::Relaxed) {
        match connected(&agent, &mut way, &mut attempt).await {
            Ok(Next::End) => return,
            Ok(Next::Anew) => continue,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "no link to the server"),
        }
        let wait = match way {
            Way::Socket(_) => (RETRY_FIRST * 2u32.saturating_pow(attempt)).min(RETRY_LONGEST),
            Way::Joined { .. } => reconnect_after(attempt, random()),
        };
        attempt = attempt.saturating_add(1);
        agent.ending_or(wait).await;
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    let mut bytes = [0u8; 4];
    // without randomness all agents wait as long as each other, which is no fault
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// One connection: says hello, then reports and listens until one of both fails.
async fn connected(agent: &Arc<Agent>, way: &mut Way, attempt: &mut u32) -> Result<Next> {
    let line = dial(agent, way).await?;
    let connected_at = SystemClock.now();
    let welcome: Welcome = match (line.post("/link/v1/hello", &hello(agent)).await, &mut *way) {
        (Err(error), Way::Joined { identity, dir }) if is_clone(&error) => {
            become_another(agent, identity, dir, &line).await?;
            return Ok(Next::End);
        }
        (answer, _) => answer?,
    };
    if let Way::Joined { identity, dir } = way
        && renewed(identity, dir, &line, welcome.now).await?
    {
        return Ok(Next::Anew);
    }
    tracing::info!(host.id = %agent.id(), "linked to the server");
    *attempt = 0;
    agent.looks.reconnected();
    let joined = matches!(way, Way::Joined { .. });
    let mut session = Session {
        agent,
        line: &line,
        proven_from: joined.then_some(connected_at),
        stored: BTreeMap::new(),
        reported: HashMap::new(),
        jobs: HashMap::new(),
        lost: BTreeMap::new(),
        operator_at: None,
        feeds: BTreeMap::new(),
    };
    session.take_streams(welcome.streams);
    tokio::select! {
        result = session.report() => result,
        result = listen(agent, &line) => result.map(|()| Next::Anew),
        () = agent.respec.notified() => Ok(Next::Anew),
    }
}

async fn dial(agent: &Agent, way: &Way) -> Result<Line> {
    let identity = match way {
        Way::Socket(path) => return Ok(Line::Socket(path.clone())),
        Way::Joined { identity, .. } => identity,
    };
    let (server, dial) = (&identity.server, async |clock| {
        let config = Arc::new(identity.tls(clock)?);
        Line::dial(&identity.server.host, identity.server.port, config).await
    });
    let error = match dial(Clock::Counts).await {
        Err(error) if Refusal::of(&*error).is_some_and(|refusal| refusal.is_clock()) => error,
        other => return other,
    };
    // nothing is taken from this connection; it only lets the server say what is wrong
    let line = dial(Clock::Ignored).await?;
    let now = SystemClock.now();
    let said: Value = line
        .post("/link/v1/clock", &json!({ "host": agent.id(), "now": now }))
        .await
        .with_context(|| format!("telling {} this host's clock", server.host))?;
    bail!("this host's clock says {now}, the server's {}: {error:#}", said["now"].as_str().unwrap_or("nothing"))
}

fn hello(agent: &Agent) -> Hello {
    Hello {
        host: agent.id().clone(),
        facts: agent.facts(),
        now: Some(SystemClock.now()),
        machine: agent.machine.clone(),
        run: Some(agent.run.clone()),
        specs: agent.keepers.iter().filter_map(|(word, k)| Some(((*word).to_owned(), k.held()?))).collect(),
        epoch: agent.epoch.newest(),
        feeds: feeds(agent),
    }
}

/// How far the feed of each guard is stored here.
fn feeds(agent: &Agent) -> BTreeMap<String, Generation> {
    agent.keepers.iter().filter_map(|(word, keeper)| Some(((*word).to_owned(), keeper.feed_at()?))).collect()
}

/// Has the certificate renewed when it is time; true if there is a new one to connect with.
async fn renewed(identity: &mut Identity, dir: &Path, line: &Line, now: Timestamp) -> Result<bool> {
    if !identity.needs_renewal(now) {
        return Ok(false);
    }
    let (key, csr) = new_request(&identity.host)?;
    let answer: Renewed =
        line.post("/link/v1/renew", &Renew { host: identity.host.clone(), csr, clone: false }).await?;
    let next = identity.renewed(key, answer.chain)?;
    next.store(dir)?;
    *identity = next;
    tracing::info!(host.id = %identity.host, until = %identity.expires(), "the host's certificate was renewed");
    Ok(true)
}

/// True when the server says that this machine is a copy of the host that it claims to be.
fn is_clone(error: &LineError) -> bool {
    matches!(error, LineError::Refused { status: StatusCode::CONFLICT, said, .. } if said.starts_with(CLONE_CODE))
}

/// Takes a name and a key of its own, and has the agent started anew under it.
async fn become_another(agent: &Agent, identity: &Identity, dir: &Path, line: &Line) -> Result<()> {
    let (key, csr) = new_request(&identity.host)?;
    let wanted = Renew { host: identity.host.clone(), csr, clone: true };
    let answer: Renewed = line.post("/link/v1/renew", &wanted).await.context("asking for a name of its own")?;
    let another = identity.another(key, answer.chain)?;
    // first, so that a crash in between leaves a copy that asks again
    agent.keepers.values().try_for_each(super::keep::KeeperHandle::begin_anew)?;
    another.store(dir)?;
    tracing::warn!(host.id = %identity.host, now = %another.host, "this machine is a copy of another host and has a name of its own now; the agent is started anew");
    agent.renamed.notify_one();
    Ok(())
}

struct Session<'a> {
    agent: &'a Agent,
    line: &'a Line,
    /// A report about an act of after this moment needs a newer connection: that one proves that
    /// the act has not cut the host off. `None` where every message has its own.
    proven_from: Option<Timestamp>,
    /// How far the server has stored each stream.
    stored: BTreeMap<String, u64>,
    /// The last report of each keeper that the server has.
    reported: HashMap<String, (Generation, Timestamp)>,
    /// The jobs as the server has them.
    jobs: HashMap<String, Job>,
    /// The lost records that the server knows of.
    lost: BTreeMap<String, u64>,
    operator_at: Option<Timestamp>,
    /// How far the server knows the feeds to be stored here.
    feeds: BTreeMap<String, Generation>,
}

impl Session<'_> {
    async fn report(&mut self) -> Result<Next> {
        loop {
            if self.agent.ended.load(Ordering::Relaxed) {
                self.bye().await;
                return Ok(Next::End);
            }
            let reports = self.reports();
            if self.proven_from.is_some_and(|from| reports.iter().any(|r| !r.steps.is_empty() && r.at > from)) {
                return Ok(Next::Anew);
            }
            match self.report_once(reports).await {
                Ok((more, pause)) => {
                    self.agent.ending_or(pause.min(PAUSE_MAX)).await;
                    if more {
                        continue;
                    }
                }
                Err(LineError::Later(wait)) => {
                    self.agent.ending_or(wait).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let woken = self.agent.wake.notified();
            let _ = tokio::time::timeout(Duration::from_secs(HEARTBEAT_S), woken).await;
        }
    }

    async fn bye(&self) {
        let bye = Bye { host: self.agent.id().clone(), why: "stopped".to_owned() };
        let sent = tokio::time::timeout(BYE_TIMEOUT, self.line.post::<_, ()>("/link/v1/bye", &bye)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!("the server did not hear the goodbye");
        }
    }

    /// Sends what there is; says whether there is more, and how long to wait before.
    async fn report_once(&mut self, reports: Vec<Report>) -> Result<(bool, Duration), LineError> {
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
        let jobs =
            self.agent.jobs.list().into_iter().filter(|j| self.jobs.get(&j.order) != Some(j)).collect::<Vec<_>>();
        let lost = self.agent.lost();
        let operator_at = self.agent.operator.seen_at();
        let feeds = feeds(self.agent);
        let up = Up {
            host: self.agent.id().clone(),
            looks: looks.iter().map(|l| l.report.clone()).collect(),
            records,
            reports: reports.clone(),
            jobs: jobs.clone(),
            lost: if lost == self.lost { BTreeMap::new() } else { lost.clone() },
            operator_at: operator_at.filter(|at| self.operator_at != Some(*at)),
            feeds: if feeds == self.feeds { BTreeMap::new() } else { feeds.clone() },
        };
        let acknowledged: Acknowledged = self.line.post("/link/v1/report", &up).await?;
        self.agent.looks.acknowledged(&looks);
        for report in reports {
            self.reported.insert(report.guard, (report.generation, report.at));
        }
        self.jobs.extend(jobs.into_iter().map(|job| (job.order.clone(), job)));
        (self.lost, self.operator_at, self.feeds) = (lost, operator_at, feeds);
        self.take_streams(acknowledged.streams);
        self.agent.acknowledged_s.store(SystemClock.now().as_second(), Ordering::Relaxed);
        let pause = if self.proven_from.is_some() { acknowledged.after_ms } else { 0 };
        Ok((more, Duration::from_millis(pause)))
    }

    /// The server has stored the streams this far.
    fn take_streams(&mut self, streams: BTreeMap<String, u64>) {
        for (word, seq) in &streams {
            if let Some(spool) = self.agent.spools.get(word.as_str()) {
                spool.acknowledged(*seq);
            }
        }
        self.stored.extend(streams);
    }

    fn reports(&self) -> Vec<Report> {
        let last = self.agent.keepers.values().filter_map(super::keep::KeeperHandle::report);
        last.filter(|r| self.reported.get(&r.guard) != Some(&(r.generation, r.at))).collect()
    }
}

/// Takes orders, one JSON document per line.
async fn listen(agent: &Arc<Agent>, line: &Line) -> Result<()> {
    let response = line.get(&format!("/link/v1/orders?host={}", agent.id())).await?;
    if response.status() != StatusCode::OK {
        bail!("the server answered {} to the request for orders", response.status());
    }
    let mut stream = response.into_body();
    let mut buffer = Vec::new();
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, stream.frame()).await.context("the server is silent")?;
        let frame = frame.ok_or_else(|| anyhow!("the server ended the stream of orders"))?;
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
    let keeper = |guard: &str| {
        let keeper = agent.keepers.get(guard);
        if keeper.is_none() {
            tracing::warn!(guard, "refused a spec for a guard that keeps nothing here");
        }
        keeper
    };
    match serde_json::from_slice(line) {
        Ok(Down::Spec { guard, generation, spec }) => {
            keeper(&guard).into_iter().for_each(|k| k.spec(generation, spec.clone()));
        }
        Ok(Down::Delta { guard, from, generation, splices, hash }) => {
            keeper(&guard).into_iter().for_each(|k| k.delta(from, generation, splices.clone(), hash.clone()));
        }
        Ok(Down::Feed { guard, part }) => keeper(&guard).into_iter().for_each(|k| k.feed(part.clone())),
        Ok(Down::Epoch(proof)) => agent.epoch.take(&proof),
        Ok(Down::Live { until }) => {
            // looking on is bounded here too, whatever the server says
            let longest = SystemClock.now().as_second() + 60;
            agent.live_until_s.store(until.as_second().min(longest), Ordering::Relaxed);
        }
        Ok(Down::Ask { guard, .. }) if !agent.permit.allows("observe") => {
            tracing::warn!(guard, "refused a question: this host's permit file does not hold `observe`");
        }
        Ok(Down::Ask { guard, body }) => {
            let watcher = agent.guards.iter().find(|g| g.word == guard).and_then(|g| g.watcher.as_ref());
            watcher.into_iter().for_each(|w| w.asked(&body));
        }
        Ok(Down::Order(order)) => job::take(agent, order),
        Ok(Down::Heartbeat) => {}
        Err(error) => tracing::warn!(%error, "refused an order that this version does not understand"),
    }
}
