//! How frames and rollups lie in the database: small, and readable without reading all of it.
//!
//! ```text
//! frame  := version(1 byte = 1) interval(f32 LE) count(varint) entry*
//! entry  := tag(varint = id_step * 4 + kind) value
//! kind   := 0: the value 0, no bytes · 1: a whole number, varint · 2: f32 LE · 3: f64 LE
//! rollup := version(1 byte = 1) count(varint) { id_step(varint) samples(varint) min max avg }*
//! min, max, avg := kind(1 byte) value
//! ```
//! `id` is the series' number in the host's dictionary (table `monitor_series`); entries are in its
//! order and `id_step` is the distance to the one before. A varint is LEB128. Fractions are kept to
//! 24 bits (6e-8 of the value), whole numbers below 2^53 exactly.

use crate::model::SERIES_MAX;

const VERSION: u8 = 1;
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0; // 2^53

/// Bytes from the database that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stored metrics are cut or of another version")]
pub struct Unreadable;

/// What is kept of the values of a series in one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The average.
    pub avg: f64,
    /// Of how many values.
    pub samples: u64,
}

impl Summary {
    /// Of one value.
    pub fn of(value: f64) -> Summary {
        Summary { min: value, max: value, avg: value, samples: 1 }
    }

    /// Of both.
    pub fn with(self, other: Summary) -> Summary {
        let samples = self.samples.saturating_add(other.samples).max(1);
        let share = other.samples as f64 / samples as f64;
        Summary {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            avg: self.avg + (other.avg - self.avg) * share,
            samples,
        }
    }
}

/// A frame of values by series id; ids must rise.
pub fn pack_frame(interval_s: f64, values: &[(u32, f64)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + values.len() * 6);
    out.push(VERSION);
    out.extend((interval_s as f32).to_le_bytes());
    put_varint(&mut out, values.len() as u64);
    let mut before = 0;
    for &(id, value) in values {
        put_varint(&mut out, u64::from(id.saturating_sub(before)) << 2 | u64::from(kind(value)));
        put_value(&mut out, value);
        before = id;
    }
    out
}

/// Calls `each` with every id and value of a frame; the interval in seconds.
pub fn unpack_frame(bytes: &[u8], mut each: impl FnMut(u32, f64)) -> Result<f64, Unreadable> {
    let mut left = versioned(bytes)?;
    let interval_s = f64::from(f32::from_le_bytes(take(&mut left)?));
    let mut id = 0_u32;
    for _ in 0..count(&mut left)? {
        let tag = varint(&mut left)?;
        id = step(id, tag >> 2)?;
        each(id, value(&mut left, (tag & 3) as u8)?);
    }
    Ok(interval_s)
}

/// A rollup of summaries by series id; ids must rise.
pub fn pack_rollup(summaries: &[(u32, Summary)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + summaries.len() * 18);
    out.push(VERSION);
    put_varint(&mut out, summaries.len() as u64);
    let mut before = 0;
    for &(id, summary) in summaries {
        put_varint(&mut out, u64::from(id.saturating_sub(before)));
        put_varint(&mut out, summary.samples);
        for value in [summary.min, summary.max, summary.avg] {
            out.push(kind(value));
            put_value(&mut out, value);
        }
        before = id;
    }
    out
}

/// Calls `each` with every id and summary of a rollup.
pub fn unpack_rollup(bytes: &[u8], mut each: impl FnMut(u32, Summary)) -> Result<(), Unreadable> {
    let mut left = versioned(bytes)?;
    let mut id = 0_u32;
    for _ in 0..count(&mut left)? {
        id = step(id, varint(&mut left)?)?;
        let samples = varint(&mut left)?;
        let mut next = || {
            let [kind] = take(&mut left)?;
            value(&mut left, kind)
        };
        let (min, max, avg) = (next()?, next()?, next()?);
        each(id, Summary { min, max, avg, samples });
    }
    Ok(())
}

/// What [`unpack_frame`] gives back for a value.
pub fn as_stored(value: f64) -> f64 {
    if kind(value) == 2 { f64::from(value as f32) } else { value }
}

pub(crate) fn kind(value: f64) -> u8 {
    if value == 0.0 {
        0
    } else if (1.0..WHOLE_MAX).contains(&value) && value.fract() == 0.0 {
        1
    } else if (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&value.abs()) {
        2
    } else {
        3
    }
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: f64) {
    match kind(value) {
        0 => {}
        1 => put_varint(out, value as u64),
        2 => out.extend((value as f32).to_le_bytes()),
        _ => out.extend(value.to_le_bytes()),
    }
}

pub(crate) fn value(left: &mut &[u8], kind: u8) -> Result<f64, Unreadable> {
    match kind {
        0 => Ok(0.0),
        1 => Ok(varint(left)? as f64),
        2 => Ok(f64::from(f32::from_le_bytes(take(left)?))),
        3 => Ok(f64::from_le_bytes(take(left)?)),
        _ => Err(Unreadable),
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(crate) fn varint(left: &mut &[u8]) -> Result<u64, Unreadable> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(left)?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    Err(Unreadable)
}

pub(crate) fn take<const N: usize>(left: &mut &[u8]) -> Result<[u8; N], Unreadable> {
    let (head, tail) = left.split_first_chunk::<N>().ok_or(Unreadable)?;
    *left = tail;
    Ok(*head)
}

fn versioned(bytes: &[u8]) -> Result<&[u8], Unreadable> {
    bytes.split_first().filter(|(version, _)| **version == VERSION).map(|(_, rest)| rest).ok_or(Unreadable)
}

fn count(left: &mut &[u8]) -> Result<u64, Unreadable> {
    varint(left).and_then(|n| if n <= 2 * SERIES_MAX as u64 { Ok(n) } else { Err(Unreadable) })
}

fn step(id: u32, by: u64) -> Result<u32, Unreadable> {
    u32::try_from(by).ok().and_then(|by| id.checked_add(by)).ok_or(Unreadable)
}
