//! Hosts without an agent: every five minutes the server logs in by SSH and reads the files that an
//! agent would read.
//!
//! **Trust.** The server logs in with one key of its own, whose private half is sealed in the
//! database. The host lets that key run one fixed line and nothing else ([`line`]). The host's key
//! is not taken on trust: until an operator has confirmed its fingerprint nothing is logged in to,
//! and a host that shows another one later is refused and told of.
//!
//! **Limits.** 16 logins at a time, 30 s and 256 KiB each. A host that does not answer is tried once
//! more after 20 s; after that it counts as unreachable, which is told once.

pub mod api;
pub mod judge;
pub mod key;
pub mod line;
pub mod login;
pub mod round;
pub mod store;

use crate::difference;
use crate::model::Frame;
use login::{Fault, Visit};
use palisade_core::Timestamp;
use palisade_sys::sample::Sample;

/// Seconds between two logins to a host.
pub const INTERVAL_S: u32 = 300;
/// Logins at a time.
pub const LOGINS_MAX: usize = 16;
/// What is shown of an output that makes no sense.
const SHOWN_CHARS_MAX: usize = 120;
/// Two starts of a host are the same if they differ by less: the kernel rounds.
const BOOT_SLACK_S: u64 = 5;

/// What came of what a visit has read.
pub fn sampled(visit: &Visit, at: Timestamp) -> Result<Sample, Fault> {
    let output = visit.output.clone()?;
    line::sample(&output, at).ok_or_else(|| {
        let begin: String = String::from_utf8_lossy(&output).chars().take(SHOWN_CHARS_MAX).collect();
        let begin: String = begin.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Fault::Nonsense(format!("it printed something else than its line prints: `{}`", begin.trim()))
    })
}

/// The frame of what was read now and, where there is one, at the look before.
pub fn frame(before: Option<&Sample>, after: &Sample, login_s: f64) -> Frame {
    let before = before.filter(|before| is_same_start(before, after)).unwrap_or(after);
    let mut frame = difference::frame(before, after, &mut |_| None);
    // these speak of the process that reads: there is none on such a host
    frame.metrics.retain(|key, _| !key.starts_with("agent_"));
    frame.metrics.insert("host_up".to_owned(), 1.0);
    frame.metrics.insert("host_login_seconds".to_owned(), login_s);
    frame.step_s = INTERVAL_S;
    frame
}

/// A host that was started anew counts from zero.
fn is_same_start(before: &Sample, after: &Sample) -> bool {
    match (before.kernel.booted_s, after.kernel.booted_s) {
        (Some(before), Some(after)) => before.abs_diff(after) < BOOT_SLACK_S,
        _ => false,
    }
}

/// The frame of a login that failed.
pub fn frame_down(at: Timestamp) -> Frame {
    let metrics = [("host_up".to_owned(), 0.0)].into();
    Frame { at, step_s: INTERVAL_S, metrics, ..Frame::default() }
}
