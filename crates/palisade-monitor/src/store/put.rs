//! From frames to rows: what makes sense, under which numbers.

use super::Store;
use super::dictionary::Dictionary;
use super::known::Known;
use super::latest::{Newest, latest_put, stamp_put};
use super::row::{raw_put, second_put};
use super::tier::{DAY_S, floor};
use crate::model::{Frame, SERIES_MAX, TOP_MAX, TopProcess};
use crate::pack::pack_frame;
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::Arc;

const TEXT_BYTES_MAX: usize = 256;
/// Sources that gave nothing, in one frame.
const MISSING_MAX: usize = 32;
/// The longest step of a frame.
const STEP_S_MAX: u32 = 300;

/// A frame within its limits, with metrics that this version knows.
struct Sound<'a> {
    frame: &'a Frame,
    values: Vec<(Arc<Known>, f64)>,
    rejected: u64,
    rejected_last: &'a str,
}

pub(super) async fn frames_put(
    db: &mut SqliteConnection,
    store: &Store,
    host: &HostId,
    frames: &[Frame],
) -> Result<(), GuardError> {
    let sound: Vec<Sound<'_>> = frames.iter().filter_map(|frame| sound(store, frame)).collect();
    let Some(newest) = sound.iter().max_by_key(|sound| sound.frame.at) else { return Ok(()) };
    let rejected = sound.iter().map(|sound| sound.rejected).sum();
    let last = sound.iter().rev().map(|sound| sound.rejected_last).find(|last| !last.is_empty()).unwrap_or_default();
    let newest = Newest { frame: newest.cleaned(), rejected, rejected_last: cut(last.to_owned()) };
    let stamp = latest_put(db, host, newest).await?;
    let dictionary = numbered(db, store, host, stamp, &sound).await?;
    for one in &sound {
        let number = |(known, value): &(Arc<Known>, f64)| Some((dictionary.id(&known.text)?, *value));
        let mut values: Vec<(u32, f64)> = one.values.iter().filter_map(number).collect();
        values.sort_unstable_by_key(|(id, _)| *id);
        one.put(db, host, &values).await?;
    }
    Ok(())
}

/// The dictionary of a host whose stamp this is, with numbers for all series of these frames that there
/// is room for.
async fn numbered(
    db: &mut SqliteConnection,
    store: &Store,
    host: &HostId,
    stamp: i64,
    frames: &[Sound<'_>],
) -> Result<Arc<Dictionary>, GuardError> {
    let dictionary = store.dictionaries.of_stamp(db, host, stamp).await?;
    let new: BTreeMap<&str, &Arc<Known>> = names_of(frames)
        .filter(|known| dictionary.id(&known.text).is_none())
        .map(|known| (known.text.as_ref(), known))
        .collect();
    if new.is_empty() {
        return Ok(dictionary);
    }
    let mut more = (*dictionary).clone();
    let used = || names_of(frames).filter_map(|known| dictionary.id(&known.text)).collect();
    let used = (!store.dictionaries.is_crowded(host)).then(used);
    let day = frames.iter().map(|one| one.frame.at.as_second().div_euclid(DAY_S)).max().unwrap_or(0);
    let refused = more.extend(db, host, (new.into_values().cloned().collect(), day), used).await?;
    if refused > 0 {
        store.dictionaries.crowded(host);
        tracing::warn!(host.id = %host, refused, "the host has too many series; new ones are not stored");
    }
    let (stamp, more) = (new_stamp()?, Arc::new(more));
    stamp_put(db, host.as_str(), stamp, refused).await?;
    store.dictionaries.keep(host, stamp, Arc::clone(&more));
    Ok(more)
}

fn names_of<'a>(frames: &'a [Sound<'_>]) -> impl Iterator<Item = &'a Arc<Known>> {
    frames.iter().flat_map(|frame| &frame.values).map(|(known, _)| known)
}

impl Sound<'_> {
    async fn put(&self, db: &mut SqliteConnection, host: &HostId, values: &[(u32, f64)]) -> Result<(), GuardError> {
        let (at_s, interval_s) = (self.frame.at.as_second(), self.frame.interval_s);
        if self.frame.live {
            return second_put(db, host.as_str(), at_s, &pack_frame(interval_s, values)).await;
        }
        raw_put(db, host.as_str(), moment_s(self.frame), interval_s, values).await
    }

    /// The frame as it is shown.
    fn cleaned(&self) -> Frame {
        let mut frame = self.frame.clone();
        if self.rejected > 0 {
            frame.metrics = self.values.iter().map(|(known, value)| (known.text.to_string(), *value)).collect();
        }
        frame.step_s = frame.step_s.clamp(1, STEP_S_MAX);
        for list in [&mut frame.by_cpu, &mut frame.by_memory, &mut frame.by_io] {
            list.truncate(TOP_MAX);
            list.iter_mut().for_each(shorten);
        }
        frame.missing.truncate(MISSING_MAX);
        frame.missing.iter_mut().for_each(|text| *text = cut(std::mem::take(text)));
        frame
    }
}

/// The moment that a frame stands for: the multiple of its step that its end falls into.
pub(super) fn moment_s(frame: &Frame) -> i64 {
    floor(frame.at.as_second(), i64::from(frame.step_s.clamp(1, STEP_S_MAX)))
}

/// What of a frame makes sense; a host may be hostile.
fn sound<'a>(store: &Store, frame: &'a Frame) -> Option<Sound<'a>> {
    if frame.at.as_second() <= 0 || !(0.0..=1e7).contains(&frame.interval_s) {
        return None;
    }
    let mut sound = Sound { frame, values: Vec::with_capacity(frame.metrics.len()), rejected: 0, rejected_last: "" };
    for (text, value) in &frame.metrics {
        let known = store.dictionaries.names.sent(text).filter(|(_, metric)| (0.0..=metric.max).contains(value));
        match known {
            Some((known, _)) if sound.values.len() < SERIES_MAX => sound.values.push((known, *value)),
            _ => (sound.rejected, sound.rejected_last) = (sound.rejected + 1, text),
        }
    }
    Some(sound)
}

fn shorten(process: &mut TopProcess) {
    for text in [&mut process.name].into_iter().chain(&mut process.user).chain(&mut process.cmdline) {
        *text = cut(std::mem::take(text));
    }
    process.cpu = process.cpu.filter(|cpu| (0.0..=1e4).contains(cpu));
}

fn cut(mut text: String) -> String {
    text.truncate((0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0));
    text
}

/// A number that was never used before.
pub(super) fn new_stamp() -> Result<i64, GuardError> {
    let random = getrandom::u64().map_err(|error| GuardError::Refused(format!("no random number: {error}")))?;
    Ok((random >> 1) as i64 | 1)
}
