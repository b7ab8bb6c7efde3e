//! One simulated host: connects, reports, listens, and comes back, as an agent does.

use crate::identity::Identity;
use crate::line::{Line, Reply};
use crate::orders::{Specs, WrongOrder};
use crate::random;
use crate::source::{Made, Source};
use crate::spool::{Broken, Spool};
use crate::tally::Tally;
use anyhow::{Result, bail};
use palisade_core::{Clock, SystemClock};
use palisade_guard::link::{Acknowledged, Bye, HEARTBEAT_S, Hello, Up, Welcome, reconnect_after};
use palisade_guard::store::HostFacts;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const HEARTBEAT: Duration = Duration::from_secs(HEARTBEAT_S);
/// A pause that the server asks for is kept up to this long, as in the agent.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What all hosts do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They make records and report them.
    Working,
    /// They make nothing new, and end when all that they have made is acknowledged.
    Ending,
}

/// What all hosts share.
#[derive(Debug)]
pub struct Fleet {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What they measure.
    pub tally: Tally,
    /// What they do.
    pub phase: watch::Sender<Phase>,
    /// Connections are cut at random after at most this time; never if there is none.
    pub cut_within: Option<Duration>,
    /// When hosts connect again, by attempt and chance.
    pub reconnect: fn(u32, f64) -> Duration,
}

impl Fleet {
    /// A fleet that works, and connects again when agents do.
    pub fn new(address: SocketAddr) -> Fleet {
        let phase = watch::channel(Phase::Working).0;
        Fleet { address, tally: Tally::default(), phase, cut_within: None, reconnect: reconnect_after }
    }

    fn is_ending(&self) -> bool {
        *self.phase.borrow() == Phase::Ending
    }

    /// Sleeps until then, or until the fleet ends.
    async fn sleep(&self, length: Duration) {
        let mut phase = self.phase.subscribe();
        let ending = async { drop(phase.wait_for(|phase| *phase == Phase::Ending).await) };
        let _ = tokio::time::timeout(length, ending).await;
    }
}

/// A simulated host.
#[derive(Debug)]
pub struct Host {
    /// Who it is.
    pub identity: Identity,
    /// What it has made, and how far the server has it.
    pub spool: Spool,
    /// What it reports, if anything.
    source: Option<Source>,
    specs: Specs,
    run: String,
    attempt: u32,
}

impl Host {
    /// A host that has joined.
    pub fn new(identity: Identity, source: Option<Source>, is_witness: bool) -> Host {
        let run = format!("{:016x}", (random() * u64::MAX as f64) as u64);
        Host { identity, spool: Spool::default(), source, specs: Specs::new(is_witness), run, attempt: 0 }
    }

    /// The frames that it has made, oldest first.
    pub fn frames(&self) -> Vec<Made> {
        self.source.iter().flat_map(Source::made).collect()
    }

    /// Lives until the fleet ends and everything is acknowledged.
    pub async fn live(mut self, fleet: Arc<Fleet>) -> Host {
        // nobody switches all hosts on in one moment
        fleet.sleep((fleet.reconnect)(0, random())).await;
        while let Err(error) = self.connected(&fleet).await {
            fleet.tally.broken();
            if error.is::<Broken>() || error.is::<WrongOrder>() {
                fleet.tally.fault(format!("{}: {error}", self.identity.host));
            }
            let wait = (fleet.reconnect)(self.attempt, random());
            self.attempt = self.attempt.saturating_add(1);
            self.wait(&fleet, wait).await;
        }
        self
    }

    /// Waits, and goes on making records meanwhile: the spool fills while the server is away.
    async fn wait(&mut self, fleet: &Fleet, length: Duration) {
        let mut left = length;
        while !left.is_zero() {
            let part = left.min(HEARTBEAT);
            tokio::time::sleep(part).await;
            left -= part;
            self.make(fleet);
        }
    }

    fn make(&mut self, fleet: &Fleet) {
        if let Some(source) = self.source.as_mut().filter(|_| !fleet.is_ending()) {
            source.make(SystemClock.now(), &mut self.spool);
        }
    }

    /// One connection. It ends well only with the fleet.
    async fn connected(&mut self, fleet: &Fleet) -> Result<()> {
        let line = Line::dial(fleet.address, Arc::clone(&self.identity.tls)).await?;
        fleet.tally.handshake();
        let welcome: Welcome = match line.post("/link/v1/hello", &self.hello()).await? {
            Reply::Done(welcome) => welcome,
            Reply::Later(_) => bail!("the server asks to come later"),
        };
        self.attempt = 0;
        self.spool.stored(&welcome.streams)?;
        let _connected = fleet.tally.welcome();
        let orders = line.get(&format!("/link/v1/orders?host={}", self.identity.host)).await?;
        let mut specs = std::mem::take(&mut self.specs);
        let result = tokio::select! {
            result = self.report(&line, fleet) => result,
            result = specs.listen(orders, &fleet.tally) => result,
            () = cut(fleet) => Err(anyhow::anyhow!("cut")),
        };
        self.specs = specs;
        result
    }

    fn hello(&self) -> Hello {
        Hello {
            host: self.identity.host.clone(),
            facts: HostFacts {
                os: "Simulated GNU/Linux 1".to_owned(),
                kernel: "6.1.0".to_owned(),
                addresses: vec!["198.51.100.1".to_owned()],
                agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                permit: vec!["observe".to_owned(), "ban".to_owned()],
                ..HostFacts::default()
            },
            now: Some(SystemClock.now()),
            machine: None,
            run: Some(self.run.clone()),
            specs: self.specs.held(),
            epoch: 0,
            feeds: Default::default(),
        }
    }

    /// Reports what there is, a sign of life when there is nothing, and says goodbye at the end.
    async fn report(&mut self, line: &Line, fleet: &Fleet) -> Result<()> {
        let mut heard = Instant::now();
        loop {
            let ending = fleet.is_ending();
            self.make(fleet);
            let records = self.spool.next();
            if records.is_empty() && ending {
                let bye = Bye { host: self.identity.host.clone(), why: "stopped".to_owned() };
                line.post::<_, ()>("/link/v1/bye", &bye).await?;
                return Ok(());
            }
            let quiet = HEARTBEAT.saturating_sub(heard.elapsed());
            if records.is_empty() && !quiet.is_zero() {
                fleet.sleep(self.next_due().min(quiet)).await;
                continue;
            }
            let up = self.up(records);
            let begun = Instant::now();
            let pause = match line.post::<_, Acknowledged>("/link/v1/report", &up).await? {
                Reply::Done(said) => {
                    fleet.tally.acknowledged(begun.elapsed(), self.spool.stored(&said.streams)?);
                    Duration::from_millis(said.after_ms).min(PAUSE_MAX)
                }
                Reply::Later(wait) => {
                    fleet.tally.later();
                    wait
                }
            };
            heard = Instant::now();
            tokio::time::sleep(pause).await;
        }
    }

    fn next_due(&self) -> Duration {
        let now_ms = SystemClock.now().as_millisecond() as f64;
        let due_ms = self.source.as_ref().map_or(f64::INFINITY, Source::next_ms) - now_ms;
        // at least a millisecond: what is due now is made in the next round
        Duration::from_secs_f64((due_ms / 1_000.0).clamp(0.001, HEARTBEAT.as_secs_f64()))
    }

    fn up(&self, records: BTreeMap<String, Vec<palisade_guard::Record>>) -> Up {
        Up {
            host: self.identity.host.clone(),
            looks: Vec::new(),
            records,
            reports: Vec::new(),
            jobs: Vec::new(),
            lost: BTreeMap::new(),
            operator_at: None,
            feeds: BTreeMap::new(),
        }
    }
}

/// Ends at a random moment when connections are cut, whatever is under way.
async fn cut(fleet: &Fleet) {
    match fleet.cut_within {
        Some(within) if !fleet.is_ending() => tokio::time::sleep(within.mul_f64(random())).await,
        _ => std::future::pending().await,
    }
}
