//! What the audit log says about changes of bans and allow-list, made or refused.

use crate::feed::desk::Taken;
use palisade_core::{Event, Outcome, Plan, Severity, Timestamp};
use palisade_guard::api::{ApiError, Caller};

/// What is asked for: its kind, and to whom.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `firewall.ban.add`, `firewall.ban.remove`, `firewall.allow.add`, `firewall.allow.remove`.
    pub kind: &'static str,
    /// The address or network; absent when the request could not be read.
    pub object: Option<String>,
    /// Only a preview: nothing is changed, and a refusal is no event.
    pub dry_run: bool,
}

/// A change was made.
pub fn changed(asked: &Asked, caller: &Caller, plan: &Plan, reason: &str, now: Timestamp) -> Event {
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let first = plan.effects.first().map(|e| e.sentence.as_str()).unwrap_or(&plan.title);
    event(asked, caller, Outcome::Success, format!("{first}{why}"), now)
}

/// Many addresses were shut out at once.
pub fn imported(caller: &Caller, taken: &Taken, reason: &str, now: Timestamp) -> Event {
    let asked = Asked { kind: "firewall.ban.import", object: None, dry_run: false };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let refused = match taken.refused.len() {
        0 => String::new(),
        count => format!(", {count} refused"),
    };
    let dropped = match taken.dropped {
        0 => String::new(),
        count => format!(", {count} that end first given up to make room"),
    };
    let message = format!("{} addresses shut out of every host{refused}{dropped}{why}", taken.added);
    event(&asked, caller, Outcome::Success, message, now)
}

/// A change was asked for and refused.
pub fn refused(asked: &Asked, caller: &Caller, error: &ApiError, now: Timestamp) -> Event {
    event(asked, caller, Outcome::Refused, error.message().to_owned(), now)
}

fn event(asked: &Asked, caller: &Caller, outcome: Outcome, message: String, now: Timestamp) -> Event {
    Event {
        time: now,
        kind: asked.kind.to_owned(),
        host: None,
        severity: if outcome == Outcome::Refused { Severity::Low } else { Severity::Informational },
        outcome,
        actor: caller.actor(),
        message,
        object: asked.object.clone(),
        audit: true,
        data: serde_json::Value::Null,
    }
}
