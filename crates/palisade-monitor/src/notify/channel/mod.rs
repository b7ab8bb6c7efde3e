//! How each type of channel speaks: it takes a message and says whether the receiver has it.

pub mod alertmanager;
pub mod heartbeat;
pub mod ntfy;
pub mod slack;
pub mod smtp;
pub mod webhook;

use super::http::{self, Answer, Call, HttpError};
use super::message::Message;
use super::spec::{ChannelSpec, ChannelType};
use crate::outbound::Reach;
use ::http::Method;
use palisade_core::Timestamp;
use palisade_guard::contract::chain;
use ring::digest;
use std::time::Duration;

/// What of a refusal is kept, in bytes.
const ANSWER_BYTES_SHOWN: usize = 500;

/// Why a receiver does not have it.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Not now: it is tried again, after `wait` if the receiver asked for that.
    Again {
        /// What went wrong.
        said: String,
        /// How long the receiver wants to be left alone.
        wait: Option<Duration>,
    },
    /// Not this message: it is given up.
    Refused(String),
}

impl Failure {
    /// Not now.
    pub fn again(said: impl Into<String>) -> Failure {
        Failure::Again { said: said.into(), wait: None }
    }

    /// What went wrong.
    pub fn said(&self) -> &str {
        match self {
            Failure::Again { said, .. } | Failure::Refused(said) => said,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Failure {
        Failure::again(chain(&error))
    }
}

/// One message for one channel.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The channel's name.
    pub channel: &'a str,
    /// What it says about itself.
    pub spec: &'a ChannelSpec,
    /// Its secret.
    pub secret: Option<&'a str>,
    /// What is told.
    pub message: &'a Message,
    /// Now.
    pub now: Timestamp,
}

/// Sends it. Returns what the receiver answered.
pub async fn send(letter: &Letter<'_>) -> Result<String, Failure> {
    match letter.spec.kind {
        ChannelType::Webhook => webhook::send(letter).await,
        ChannelType::Smtp => smtp::send(letter).await,
        ChannelType::Slack => slack::send(letter).await,
        ChannelType::Ntfy => ntfy::send(letter).await,
        ChannelType::Alertmanager => alertmanager::send(letter).await,
        ChannelType::Heartbeat => heartbeat::beat(letter.spec).await,
    }
}

impl Letter<'_> {
    /// What tells this message from any other to this channel: the same again is the same message.
    pub fn id(&self) -> String {
        format!("{}-{}", hashed(&format!("{}\n{}", self.channel, self.message.group)), self.message.sequence)
    }

    /// The channel's address.
    pub fn url(&self) -> Result<&str, Failure> {
        self.spec.url.as_deref().ok_or_else(|| Failure::Refused("the channel has no `url`".to_owned()))
    }

    /// Posts JSON to `url`.
    pub async fn post(
        &self,
        url: &str,
        body: Vec<u8>,
        mut headers: Vec<(&'static str, String)>,
    ) -> Result<String, Failure> {
        headers.extend([("content-type", "application/json".to_owned()), ("idempotency-key", self.id())]);
        let ca_pem = self.spec.ca_pem.as_deref();
        let reach = Reach::of(self.spec.allow_private);
        judged(http::call(&Call { method: Method::POST, url, headers, body, ca_pem, reach }).await?)
    }
}

/// What an answer means.
fn judged(answer: Answer) -> Result<String, Failure> {
    let text: String = answer.text.chars().take(ANSWER_BYTES_SHOWN).collect();
    let text = super::message::line(text.trim(), ANSWER_BYTES_SHOWN);
    let said = if text.is_empty() { answer.status.to_string() } else { format!("{}: {text}", answer.status) };
    match answer.status {
        200..=299 => Ok(said),
        408 | 425 | 429 | 500..=599 => {
            Err(Failure::Again { said: format!("the receiver answered {said}"), wait: answer.retry_after })
        }
        300..=399 => Err(Failure::Refused(format!("the receiver answered {said}; redirects are not followed"))),
        _ => Err(Failure::Refused(format!("the receiver answered {said}"))),
    }
}

/// 16 hexadecimal digits of the SHA-256 of a text.
pub fn hashed(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_whether_it_arrived_is_tried_again_or_given_up() {
        let answer = |status| Answer { status, retry_after: None, text: "x\u{1b}y".to_owned() };
        assert_eq!(judged(answer(204)), Ok("204: x\\u{1b}y".to_owned()));
        for status in [408, 429, 500, 503] {
            assert!(matches!(judged(answer(status)), Err(Failure::Again { .. })), "{status}");
        }
        for status in [100, 301, 400, 401, 404, 410] {
            assert!(matches!(judged(answer(status)), Err(Failure::Refused(_))), "{status}");
        }
    }
}
