//! The task that decides: it looks at what was said, asks [`super::group`] what is due, and puts
//! messages on their way in the same transaction that notes that they were.
//!
//! What it holds in memory is only a copy. After an error, and after a restart, it is read again, so
//! that whatever was committed is told, and told once.

use super::group::{Due, Flush, SentAt, due};
use super::heartbeat::Pulse;
use super::message::Message;
use super::roster::{Policy, Roster, Silence};
use super::spec::{ChannelSpec, ChannelType, PolicySpec, SilenceSpec};
use super::standing::{Standing, Standings, Told};
use super::store;
use palisade_core::Timestamp;
use palisade_guard::notice::NoticeState;
use palisade_guard::{GuardError, ServerContext, store as frame_store};
use sqlx::SqliteConnection;
use std::time::Duration;

/// How often it is looked whether something was said: the longest that a page waits here.
const LOOK: Duration = Duration::from_millis(150);
/// How often everything is judged, even when nothing was said and nothing is known to be due: windows
/// open, silences end, documents change.
const JUDGE_MS: i64 = 5_000;
/// How long it is known when a group was last told.
const SENT_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How often the list of hosts is read.
const HOSTS_MS: i64 = 30_000;
/// After an error.
const PAUSE: Duration = Duration::from_secs(2);

/// Decides who is told of what.
pub struct Dispatch {
    context: ServerContext,
    /// `None` until read, and after an error.
    board: Option<Board>,
    judged_at: Timestamp,
    /// When something is known to be due.
    next_at: Timestamp,
    hosts_at: Timestamp,
    roster: Roster,
}

#[derive(Default)]
struct Board {
    standings: Standings,
    sent: SentAt,
}

/// Runs for as long as the server does; `woken` is told when a message is on its way.
pub async fn run(context: ServerContext, woken: std::sync::Arc<tokio::sync::Notify>, pulse: Pulse) {
    let mut dispatch = Dispatch::new(context.clone());
    loop {
        let round = dispatch.round().await;
        if round.is_ok() {
            pulse.beat("notifications", context.now());
        }
        match round {
            Ok(0) => tokio::time::sleep(LOOK).await,
            Ok(_) => woken.notify_one(),
            Err(error) => {
                tracing::error!(
                    error = palisade_guard::contract::chain(&error),
                    "notices wait: they could not be judged"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Dispatch {
    /// One that has read nothing yet.
    pub fn new(context: ServerContext) -> Dispatch {
        let never = Timestamp::MIN;
        Dispatch { context, board: None, judged_at: never, next_at: never, hosts_at: never, roster: Roster::default() }
    }

    /// Looks once, and judges if there is something to judge. Returns how many messages are on their
    /// way now.
    pub async fn round(&mut self) -> Result<usize, GuardError> {
        let board = self.board.take();
        // what is stored is rounded to milliseconds, and is to be the same as what is held
        let now = frame_store::at(self.context.now().as_millisecond());
        let mut db = self.context.db.read().acquire().await?;
        let untaken = store::untaken(&mut db).await?;
        let waited_ms = now.as_millisecond() - self.judged_at.as_millisecond();
        if let Some(board) = board {
            let rests = (0..JUDGE_MS).contains(&waited_ms) && now < self.next_at;
            if !untaken && (board.standings.is_empty() || rests) {
                self.board = Some(board);
                return Ok(0);
            }
            return self.judge(&mut db, board, untaken, now).await;
        }
        let (standings, sent) = (store::standing(&mut db).await?, store::sent_at(&mut db).await?);
        self.judge(&mut db, Board { standings, sent }, untaken, now).await
    }

    async fn judge(
        &mut self,
        db: &mut SqliteConnection,
        mut board: Board,
        untaken: bool,
        now: Timestamp,
    ) -> Result<usize, GuardError> {
        self.read_roster(db, now).await?;
        let mut tx = None;
        if untaken {
            let mut begun = self.context.begin().await?;
            let taken = store::take(&mut begun, now).await?;
            if taken
                .values()
                .filter_map(|one| one.notice.host.as_ref())
                .any(|host| !self.roster.hosts.contains_key(host))
            {
                // it has joined since the hosts were read: its tags decide who is told
                self.roster.hosts = hosts(db).await?;
            }
            board.standings.extend(taken);
            tx = Some(begun);
        }
        let due = due(&board.standings, &self.roster, &board.sent, now);
        let over = board.standings.values().any(Standing::finished) || !due.spent.is_empty();
        if due.flushes.is_empty() && due.untold.is_empty() && !over {
            commit(tx).await?;
        } else {
            let mut tx = match tx {
                Some(tx) => tx,
                None => self.context.begin().await?,
            };
            board.carry_out(&mut tx, &due, now).await?;
            let finished = board.finish(&due, now);
            store::done(&mut tx, &finished).await?;
            tx.commit().await?;
            self.context.publish(&[super::TOPIC_DELIVERIES]);
        }
        self.judged_at = now;
        self.next_at = due.next_at.unwrap_or(Timestamp::MAX);
        board.sent.retain(|_, sent| now.duration_since(*sent).unsigned_abs() < SENT_KEPT);
        self.board = Some(board);
        Ok(due.flushes.len())
    }

    async fn read_roster(&mut self, db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
        let hosts_ms = now.as_millisecond().saturating_sub(self.hosts_at.as_millisecond());
        let mut roster = roster(db).await?;
        if (0..HOSTS_MS).contains(&hosts_ms) {
            roster.hosts = std::mem::take(&mut self.roster.hosts);
        } else {
            roster.hosts = hosts(db).await?;
            self.hosts_at = now;
        }
        self.roster = roster;
        Ok(())
    }
}

async fn commit(tx: Option<palisade_guard::db::Write>) -> Result<(), GuardError> {
    match tx {
        Some(tx) => Ok(tx.commit().await?),
        None => Ok(()),
    }
}

impl Board {
    async fn carry_out(&mut self, db: &mut SqliteConnection, due: &Due, now: Timestamp) -> Result<(), GuardError> {
        for flush in &due.flushes {
            let sequence = store::group_told(db, flush, now).await?;
            self.sent.insert((flush.group.clone(), flush.channel.clone()), now);
            let message = Message::of(flush, &self.standings, sequence, now);
            let delivery = store::delivery_put(db, &flush.channel, message, now).await?;
            for key in flush.firing.iter().chain(&flush.resolved) {
                let Some(standing) = self.standings.get_mut(key) else { continue };
                let told = told(standing, flush, now);
                store::told_put(db, (key, &flush.channel), &told, delivery).await?;
                standing.told.insert(flush.channel.clone(), told);
            }
        }
        for (channel, key) in &due.untold {
            let Some(told) = self.standings.get_mut(key).and_then(|s| s.told.get_mut(channel)) else { continue };
            told.state = NoticeState::Resolved;
            store::told_put(db, (key, channel), told, 0).await?;
        }
        Ok(())
    }

    /// Takes out what nobody will be told more of.
    fn finish(&mut self, due: &Due, now: Timestamp) -> Vec<String> {
        let finished = self.standings.iter().filter(|(_, standing)| standing.finished() && !standing.hides(now));
        let finished = finished.map(|(key, _)| key);
        let keys: Vec<String> = finished.chain(&due.spent).cloned().collect();
        keys.iter().for_each(|key| _ = self.standings.remove(key));
        keys
    }
}

/// What the channel of a flush knows from now on.
fn told(standing: &Standing, flush: &Flush, now: Timestamp) -> Told {
    let before = standing.told.get(&flush.channel);
    let same = before.filter(|told| told.state != NoticeState::Resolved && told.state == standing.notice.state);
    Told {
        state: standing.notice.state,
        severity: standing.notice.severity,
        starts_at: standing.notice.starts_at,
        first_at: same.map_or(now, |told| told.first_at),
        at: now,
        group: flush.group.clone(),
    }
}

/// The documents as they stand, without the hosts. What cannot be read any more is passed over and
/// logged: the rest still works.
pub async fn roster(db: &mut SqliteConnection) -> Result<Roster, GuardError> {
    let mut channels = store::documents::<ChannelSpec>(db, super::kind::CHANNEL).await?;
    channels.retain(|_, spec| spec.kind != ChannelType::Heartbeat);
    let policies = store::documents::<PolicySpec>(db, super::kind::POLICY).await?;
    let silences = store::documents::<SilenceSpec>(db, super::kind::SILENCE).await?;
    let groups = store::documents(db, "ResourceGroup").await?;
    let policies = policies.into_iter().filter_map(|(name, spec)| readable(Policy::of(&name, spec), &name));
    let silences = silences.into_iter().filter_map(|(name, spec)| readable(Silence::of(&name, spec), &name));
    let (policies, silences) = (policies.collect(), silences.collect());
    Ok(Roster { channels, policies, silences, groups, ..Roster::default() }.completed())
}

/// All hosts, by name.
pub async fn hosts(
    db: &mut SqliteConnection,
) -> Result<std::collections::HashMap<palisade_core::HostId, frame_store::HostRow>, GuardError> {
    Ok(frame_store::hosts(db).await?.into_iter().map(|host| (host.id.clone(), host)).collect())
}

fn readable<T>(read: Result<T, palisade_guard::api::ApiError>, name: &str) -> Option<T> {
    let passed_over = |error: palisade_guard::api::ApiError| {
        tracing::warn!(name, error = error.message(), "a stored document makes no sense any more; passed over");
    };
    read.map_err(passed_over).ok()
}
