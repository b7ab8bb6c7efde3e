//! The task that sends: one delivery of a channel at a time, several channels at once.

use super::channel::{self, Failure, Letter};
use super::message::Message;
use super::outbox::{self, Taken};
use super::secret;
use super::spec::ChannelSpec;
use super::store;
use palisade_core::Timestamp;
use palisade_guard::{GuardError, ServerContext};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Deliveries that are being sent at one time.
const WORKERS_MAX: usize = 16;
/// How often it is looked what is due when nobody wakes this task.
const LOOK: Duration = Duration::from_millis(500);
/// After an error of the database.
const PAUSE: Duration = Duration::from_secs(2);
/// The first pause after a failure; each is twice the one before.
const BACKOFF_MS: i64 = 5_000;
/// The longest pause.
const BACKOFF_MS_MAX: i64 = 5 * 60_000;
/// The longest pause that a receiver may ask for.
const RETRY_AFTER_MS_MAX: i64 = 3_600_000;
/// A delivery that has not arrived for so long is given up.
const GIVEN_UP_MS: i64 = 24 * 3_600_000;

/// Sends what is due.
pub struct Deliver {
    context: ServerContext,
    begun: bool,
    busy: Vec<String>,
    /// What has ended and could not be noted: it is sent again.
    left: Vec<i64>,
    running: JoinSet<Outcome>,
}

struct Outcome {
    taken: Taken,
    result: Result<String, Failure>,
}

/// What happens after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is tried again then.
    At(Timestamp),
    /// It is given up.
    Never,
}

/// Runs for as long as the server does.
pub async fn run(context: ServerContext, woken: Arc<Notify>) {
    let mut deliver = Deliver::new(context);
    loop {
        let step = async {
            deliver.start().await?;
            tokio::select! {
                ended = deliver.ended() => ended.map(|_| ()),
                () = woken.notified() => Ok(()),
                () = tokio::time::sleep(LOOK) => Ok(()),
            }
        };
        if let Err(error) = step.await {
            tracing::error!(error = palisade_guard::contract::chain(&error), "deliveries wait");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Deliver {
    /// One that sends nothing yet.
    pub fn new(context: ServerContext) -> Deliver {
        Deliver { context, begun: false, busy: Vec::new(), left: Vec::new(), running: JoinSet::new() }
    }

    /// Begins to send what is due. Returns how much is being sent now.
    pub async fn start(&mut self) -> Result<usize, GuardError> {
        let now = self.context.now();
        let due = outbox::due(&mut *self.context.db.read().acquire().await?, &self.busy, now).await?;
        if self.begun && self.left.is_empty() && (!due || self.busy.len() >= WORKERS_MAX) {
            return Ok(self.busy.len());
        }
        let mut tx = self.context.begin().await?;
        if !self.begun {
            outbox::begin(&mut tx).await?;
        }
        outbox::put_back(&mut tx, &self.left).await?;
        let taken = outbox::take(&mut tx, &self.busy, WORKERS_MAX - self.busy.len(), now).await?;
        tx.commit().await?;
        self.begun = true;
        self.left.clear();
        for taken in taken {
            self.busy.push(taken.channel.clone());
            let context = self.context.clone();
            self.running.spawn(async move {
                let result = send(&context, &taken.channel, &taken.message).await;
                Outcome { taken, result }
            });
        }
        Ok(self.busy.len())
    }

    /// Waits until one that is being sent has ended, and notes how; for ever if none is.
    pub async fn ended(&mut self) -> Result<(), GuardError> {
        let outcome = match self.running.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => {
                // which one is not known: everything that is being sent is taken up again
                self.running.abort_all();
                self.busy.clear();
                self.begun = false;
                return Err(GuardError::Refused(format!("sending a delivery: {error}")));
            }
            None => return std::future::pending().await,
        };
        let noted = self.note(&outcome).await;
        self.busy.retain(|channel| *channel != outcome.taken.channel);
        if noted.is_err() {
            self.left.push(outcome.taken.id);
        }
        noted
    }

    async fn note(&self, Outcome { taken, result }: &Outcome) -> Result<(), GuardError> {
        let now = self.context.now();
        let mut tx = self.context.begin().await?;
        match result {
            Ok(_) => outbox::sent(&mut tx, taken, now).await?,
            Err(failure) => {
                tracing::warn!(
                    channel = taken.channel,
                    delivery = taken.id,
                    error = failure.said(),
                    "a notification was not taken"
                );
                match after(failure, taken.attempts, taken.created_at, now, random()) {
                    Next::At(next_at) => outbox::put_off(&mut tx, taken, (failure.said(), next_at), now).await?,
                    Next::Never => outbox::give_up(&mut tx, taken, failure.said(), now).await?,
                }
            }
        }
        tx.commit().await?;
        self.context.publish(&[super::TOPIC_DELIVERIES]);
        Ok(())
    }
}

/// When a failed delivery is tried again: after 5 s, then twice as long each time up to 5 minutes,
/// a fifth more or less by `random` (0 to 1), for 24 hours; or when its receiver wants it.
pub fn after(failure: &Failure, attempts: u32, created_at: Timestamp, now: Timestamp, random: f64) -> Next {
    let Failure::Again { wait, .. } = failure else { return Next::Never };
    if now.as_millisecond() - created_at.as_millisecond() >= GIVEN_UP_MS {
        return Next::Never;
    }
    let doubled_ms = BACKOFF_MS.saturating_mul(1_i64 << attempts.min(16)).min(BACKOFF_MS_MAX);
    let backoff_ms = (doubled_ms as f64 * (0.8 + 0.4 * random)) as i64;
    let asked_ms = wait.map_or(0, |wait| (wait.as_millis() as i64).min(RETRY_AFTER_MS_MAX));
    let pause = jiff::SignedDuration::from_millis(backoff_ms.max(asked_ms));
    Next::At(now.checked_add(pause).unwrap_or(Timestamp::MAX))
}

/// Sends one message by the channel of this name. Returns what the receiver answered.
pub async fn send(context: &ServerContext, name: &str, message: &Message) -> Result<String, Failure> {
    let read = async {
        let mut db = context.db.read().acquire().await?;
        let spec = store::documents::<ChannelSpec>(&mut db, super::kind::CHANNEL).await?.remove(name);
        let secret = match spec.as_ref().and_then(|spec| spec.secret.as_deref()) {
            Some(secret) => secret::open(&mut db, context.vault.as_ref(), secret).await?,
            None => None,
        };
        Ok::<_, GuardError>((spec, secret))
    };
    let (spec, secret) = read.await.map_err(|error| Failure::again(palisade_guard::contract::chain(&error)))?;
    let Some(spec) = spec else {
        return Err(Failure::Refused(format!("the channel `{name}` does not exist any more")));
    };
    if let (Some(wanted), None) = (&spec.secret, &secret) {
        return Err(Failure::again(format!("the secret `{wanted}` of the channel is not set")));
    }
    let letter = Letter { channel: name, spec: &spec, secret: secret.as_deref(), message, now: context.now() };
    channel::send(&letter).await
}

fn random() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        palisade_guard::store::at(ms)
    }

    fn pause_s(attempts: u32, wait: Option<Duration>, random: f64) -> i64 {
        let failure = Failure::Again { said: String::new(), wait };
        match after(&failure, attempts, at(0), at(1_000), random) {
            Next::At(next) => (next.as_millisecond() - 1_000) / 1_000,
            Next::Never => -1,
        }
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_the_receiver_may_ask_for_more() {
        let pauses: Vec<i64> = (0..8).map(|attempts| pause_s(attempts, None, 0.5)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pause_s(u32::MAX, None, 0.5), 300);
        assert_eq!((pause_s(0, None, 0.0), pause_s(0, None, 1.0)), (4, 6));
        assert_eq!(pause_s(0, Some(Duration::from_secs(90)), 0.5), 90);
        assert_eq!(pause_s(0, Some(Duration::from_secs(90_000)), 0.5), 3_600);
    }

    #[test]
    fn after_a_day_and_after_a_refusal_it_is_given_up() {
        let again = Failure::again("down".to_owned());
        assert!(matches!(after(&again, 900, at(0), at(GIVEN_UP_MS - 1), 0.5), Next::At(_)));
        assert_eq!(after(&again, 900, at(0), at(GIVEN_UP_MS), 0.5), Next::Never);
        assert_eq!(after(&Failure::Refused("404".to_owned()), 0, at(0), at(0), 0.5), Next::Never);
    }
}
