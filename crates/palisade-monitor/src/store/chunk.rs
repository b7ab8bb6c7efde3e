//! How a sealed chunk lies in the database: some series of a host over an aligned window, column by
//! column, so that one of them can be read without the others.
//!
//! ```text
//! chunk    := version(1 byte = 1) columns(1 byte: 1 or 4) crc32(LE, of what follows) pco_header
//!             times series(varint) { id_step(varint) bytes(varint) }* strand*
//! times    := runs(varint) { gap(varint) step(varint) count(varint) }*
//! strand   := runs(varint) { absent(varint) present(varint) }* column{columns}
//! column   := 0 kind(1 byte) value: always the same · 1 whole numbers · 2 f32 · 3 f64, each as pco has it
//! ```
//! Times are seconds from the chunk's start, those of all its series; `gap` is the distance to the end
//! of the run before. No runs in a strand mean a value at every time. Columns are the values, or
//! average, smallest, largest and samples of a rollup. Numbers are as in [`crate::pack`].

use super::points::Points;
use crate::pack::{self, Summary, Unreadable, put_value, put_varint, take, varint};
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};

const VERSION: u8 = 1;
/// Version, columns and checksum.
const HEAD_BYTES: usize = 6;
/// Moments in one chunk: a window of a sample each second is 7,200.
const TIMES_MAX: u64 = 20_000;
/// Series in one chunk.
const SERIES_MAX: u64 = 1_000;
/// Higher ones gain less than a hundredth here and cost several times as much.
const LEVEL: usize = 8;
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0; // 2^53

/// What a chunk holds of each point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// One value.
    Value = 1,
    /// Average, smallest, largest, samples.
    Summary = 4,
}

/// The bytes of a chunk that begins at `start_s`. Ids rise; each series has points, which rise from
/// `start_s` on.
pub fn encode(columns: Columns, start_s: i64, series: &[(u32, Points)]) -> Vec<u8> {
    let mut times: Vec<i64> = series.iter().flat_map(|(_, points)| points.iter().map(|(at, _)| *at)).collect();
    times.sort_unstable();
    times.dedup();
    let mut body = Vec::with_capacity(4_096);
    let files = FileCompressor::default();
    files.write_header(&mut body).expect("writing to memory cannot fail");
    put_times(&mut body, start_s, &times);
    put_varint(&mut body, series.len() as u64);
    let (mut strands, mut before) = (Vec::with_capacity(4_096), 0);
    for (id, points) in series {
        let begun = strands.len();
        put_presence(&mut strands, &times, points);
        for n in 0..columns as usize {
            put_column(&mut strands, &files, &points.iter().map(|(_, point)| column(point, n)).collect::<Vec<_>>());
        }
        put_varint(&mut body, u64::from(id - before));
        put_varint(&mut body, (strands.len() - begun) as u64);
        before = *id;
    }
    body.extend(strands);
    let checksum = crc32fast::hash(&body).to_le_bytes();
    [[VERSION, columns as u8].as_slice(), &checksum, &body].concat()
}

/// The series of a chunk that `wanted` says yes to, in the order of their ids.
pub fn decode(bytes: &[u8], start_s: i64, wanted: impl Fn(u32) -> bool) -> Result<Vec<(u32, Points)>, Unreadable> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(Unreadable)?;
    let columns = match (head[0], head[1]) {
        (VERSION, 1) => 1,
        (VERSION, 4) => 4,
        _ => return Err(Unreadable),
    };
    if crc32fast::hash(body).to_le_bytes() != head[2..] {
        return Err(Unreadable);
    }
    let (files, mut left) = FileDecompressor::new(body).map_err(|_| Unreadable)?;
    let times = times(&mut left, start_s)?;
    let mut list = Vec::new();
    let mut id = 0_u32;
    for _ in 0..at_most(varint(&mut left)?, SERIES_MAX)? {
        id = u32::try_from(varint(&mut left)?).ok().and_then(|step| id.checked_add(step)).ok_or(Unreadable)?;
        list.push((id, usize::try_from(varint(&mut left)?).map_err(|_| Unreadable)?));
    }
    let mut found = Vec::new();
    for (id, bytes) in list {
        let (strand, rest) = left.split_at_checked(bytes).ok_or(Unreadable)?;
        left = rest;
        if wanted(id) {
            found.push((id, self::strand(strand, &files, &times, columns)?));
        }
    }
    Ok(found)
}

fn column(point: &Summary, n: usize) -> f64 {
    match n {
        0 => point.avg,
        1 => point.min,
        2 => point.max,
        _ => point.samples as f64,
    }
}

fn put_times(out: &mut Vec<u8>, start_s: i64, times: &[i64]) {
    let (mut runs, mut left, mut end) = (Vec::new(), times, start_s);
    while let Some(&first) = left.first() {
        let step = left.get(1).map_or(0, |second| second - first);
        let count = 1 + left.windows(2).take_while(|pair| pair[1] - pair[0] == step).count();
        runs.push([first - end, step, count as i64]);
        end = left[count - 1];
        left = &left[count..];
    }
    put_varint(out, runs.len() as u64);
    runs.as_flattened().iter().for_each(|&n| put_varint(out, n.unsigned_abs()));
}

fn times(left: &mut &[u8], start_s: i64) -> Result<Vec<i64>, Unreadable> {
    let (mut times, mut end) = (Vec::new(), start_s);
    let next = |left: &mut &[u8]| varint(left).and_then(|n| i64::try_from(n).map_err(|_| Unreadable));
    for _ in 0..at_most(varint(left)?, TIMES_MAX)? {
        let (gap, step, count) = (next(left)?, next(left)?, next(left)?);
        at_most(times.len() as u64 + count as u64, TIMES_MAX)?;
        let first = end.checked_add(gap).ok_or(Unreadable)?;
        let last = step.checked_mul(count).and_then(|span| first.checked_add(span)).ok_or(Unreadable)?;
        times.extend((0..count).map(|n| first + n * step));
        end = if count > 0 { last - step } else { end };
    }
    Ok(times)
}

fn put_presence(out: &mut Vec<u8>, times: &[i64], points: &Points) {
    if points.len() == times.len() {
        return put_varint(out, 0);
    }
    let (mut runs, mut at, mut next) = (Vec::new(), 0, 0);
    while next < points.len() {
        let absent = times[at..].iter().take_while(|time| **time != points[next].0).count();
        at += absent;
        let present = times[at..].iter().zip(&points[next..]).take_while(|(time, point)| **time == point.0).count();
        (at, next) = (at + present, next + present);
        runs.push([absent, present]);
    }
    put_varint(out, runs.len() as u64);
    runs.as_flattened().iter().for_each(|&n| put_varint(out, n as u64));
}

/// The moments at which a series has values.
fn presence(left: &mut &[u8], times: &[i64]) -> Result<Vec<i64>, Unreadable> {
    let runs = at_most(varint(left)?, TIMES_MAX)?;
    if runs == 0 {
        return Ok(times.to_vec());
    }
    let (mut present, mut rest) = (Vec::new(), times);
    for _ in 0..runs {
        let mut next = || varint(left).and_then(|n| usize::try_from(n).map_err(|_| Unreadable));
        let (skipped, taken) = (next()?, next()?);
        let run = rest.get(skipped..).ok_or(Unreadable)?;
        let (run, after) = run.split_at_checked(taken).ok_or(Unreadable)?;
        present.extend(run);
        rest = after;
    }
    Ok(present)
}

fn strand(mut left: &[u8], files: &FileDecompressor, times: &[i64], columns: usize) -> Result<Points, Unreadable> {
    let at = presence(&mut left, times)?;
    let first = values(&mut left, files, at.len())?;
    if columns == 1 {
        return Ok(at.into_iter().zip(first.into_iter().map(Summary::of)).collect());
    }
    let [min, max, samples] = [(); 3].map(|()| values(&mut left, files, at.len()));
    let (min, max, samples) = (min?, max?, samples?);
    let point =
        |(n, at): (usize, i64)| (at, Summary { avg: first[n], min: min[n], max: max[n], samples: samples[n] as u64 });
    Ok(at.into_iter().enumerate().map(point).collect())
}

fn put_column(out: &mut Vec<u8>, files: &FileCompressor, values: &[f64]) {
    let first = values.first().copied().unwrap_or(0.0);
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        out.extend([0, pack::kind(first)]);
        return put_value(out, first);
    }
    if values.iter().all(|value| value.fract() == 0.0 && value.abs() < WHOLE_MAX) {
        out.push(1);
        put_numbers(out, files, &values.iter().map(|value| *value as i64).collect::<Vec<_>>());
    } else if values.iter().all(|value| f64::from(*value as f32) == *value) {
        out.push(2);
        put_numbers(out, files, &values.iter().map(|value| *value as f32).collect::<Vec<_>>());
    } else {
        out.push(3);
        put_numbers(out, files, values);
    }
}

fn put_numbers<T: Number>(out: &mut Vec<u8>, files: &FileCompressor, numbers: &[T]) {
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    let mut chunk = files.chunk_compressor(numbers, &config).expect("the level is a known one and the page is small");
    chunk.write_meta(&mut *out).expect("writing to memory cannot fail");
    chunk.write_page(0, &mut *out).expect("writing to memory cannot fail");
}

fn values(left: &mut &[u8], files: &FileDecompressor, count: usize) -> Result<Vec<f64>, Unreadable> {
    let [kind] = take(left)?;
    match kind {
        0 => {
            let [kind] = take(left)?;
            Ok(vec![pack::value(left, kind)?; count])
        }
        1 => Ok(numbers::<i64>(left, files, count)?.into_iter().map(|n| n as f64).collect()),
        2 => Ok(numbers::<f32>(left, files, count)?.into_iter().map(f64::from).collect()),
        3 => numbers::<f64>(left, files, count),
        _ => Err(Unreadable),
    }
}

fn numbers<T: Number + Default>(
    left: &mut &[u8],
    files: &FileDecompressor,
    count: usize,
) -> Result<Vec<T>, Unreadable> {
    let (mut chunk, rest) = files.chunk_decompressor::<T, _>(*left).map_err(|_| Unreadable)?;
    let mut page = chunk.page_decompressor(rest, count).map_err(|_| Unreadable)?;
    let mut numbers = vec![T::default(); count];
    let progress = page.read(&mut numbers).map_err(|_| Unreadable)?;
    *left = page.into_src();
    if progress.n_processed == count { Ok(numbers) } else { Err(Unreadable) }
}

fn at_most(n: u64, max: u64) -> Result<u64, Unreadable> {
    if n <= max { Ok(n) } else { Err(Unreadable) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
