//! Reading what agents send: bounded in size, time and memory, before anything is decoded.

use super::Server;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use palisade_guard::api::ApiError;
use palisade_guard::link::REPORT_BYTES_MAX;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::time::Duration;

/// Bytes of all bodies that are held in memory at once, in KiB; who comes later waits.
pub const MEMORY_KIB_MAX: usize = 256 << 10;
/// A body that has not arrived within this time is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes the body has, as it travels. An agent always says so.
pub fn length(request: &Request) -> Result<u64, ApiError> {
    let given = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let length = given.ok_or_else(|| {
        ApiError::new(StatusCode::LENGTH_REQUIRED, "length_required", "a message says how long it is")
    })?;
    if length > REPORT_BYTES_MAX as u64 {
        return Err(too_large());
    }
    Ok(length)
}

/// The message in the body.
pub async fn read<T: DeserializeOwned>(server: &Server, request: Request) -> Result<T, ApiError> {
    let length = length(&request)? as usize;
    let packed = request.headers().get(header::CONTENT_ENCODING).is_some_and(|v| v == "lz4");
    // what is unpacked may be as long as the longest message
    let memory = if packed { REPORT_BYTES_MAX.min(length.saturating_mul(32)) } else { length };
    let kib = u32::try_from((memory >> 10) + 1).unwrap_or(u32::MAX).min(MEMORY_KIB_MAX as u32);
    let busy = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the server has too much to read");
    let room = tokio::time::timeout(TIMEOUT, server.memory.acquire_many(kib)).await;
    let _room = room.map_err(|_| busy())?.map_err(|_| busy())?;
    let bytes = tokio::time::timeout(TIMEOUT, axum::body::to_bytes(request.into_body(), length)).await;
    let bytes = bytes
        .map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow", "the message did not arrive in time"))?
        .map_err(|_| ApiError::invalid("the message was cut off"))?;
    if packed { decode(&unpack(&bytes)?) } else { decode(&bytes) }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|e| ApiError::invalid(format!("the message: {e}")))
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let bound = REPORT_BYTES_MAX as u64 + 1;
    lz4_flex::frame::FrameDecoder::new(packed)
        .take(bound)
        .read_to_end(&mut bytes)
        .map_err(|e| ApiError::invalid(format!("the message cannot be unpacked: {e}")))?;
    if bytes.len() > REPORT_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> ApiError {
    let message = format!("a message has more than {REPORT_BYTES_MAX} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_small_body_that_unpacks_to_gigabytes_is_refused_at_the_bound() {
        let bomb = packed(&vec![0; REPORT_BYTES_MAX + 1]);
        assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
        assert_eq!(unpack(&bomb).unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn what_is_cut_is_an_error_or_the_whole_message_never_another_one() {
        let whole = packed(b"{\"a\":1}");
        let read = |bytes: &[u8]| unpack(bytes).and_then(|bytes| decode::<serde_json::Value>(&bytes));
        assert_eq!(read(&whole).unwrap()["a"], 1);
        // only the mark of the end may be missing
        for end in 0..whole.len() - 4 {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!((0..whole.len()).filter_map(|end| read(&whole[..end]).ok()).all(|said| said["a"] == 1));
    }
}
