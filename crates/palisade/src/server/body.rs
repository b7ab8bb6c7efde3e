//! Reading the body of a request, within bounds.
//!
//! An HTTP/2 client takes an answer that comes before its body was read for a fault of the stream, so
//! a body that is too large, or whose sender may not send it, is read on and thrown away up to a
//! bound; beyond it the stream is cut.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use palisade_guard::api::ApiError;
use std::time::Duration;

/// A body, in bytes; what is larger is refused.
const BODY_BYTES_MAX: usize = 256 << 10;
/// A body that is a whole file of resources: a list of 100,000 IPv6 networks has 5 MB.
pub const FILE_BYTES_MAX: usize = 12 << 20;
/// A body of somebody who has not signed in.
const ANONYMOUS_BODY_BYTES_MAX: usize = 64 << 10;
/// What is read and thrown away of a body that is refused.
const DRAINED_BYTES_MAX: usize = 16 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// How much of a body is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As much as a handler takes.
    Whole,
    /// A file of resources.
    File,
    /// As much as sign-in needs.
    Little,
    /// Nothing: it is refused already.
    Nothing,
}

impl Kept {
    fn bytes_max(self) -> usize {
        match self {
            Kept::Whole => BODY_BYTES_MAX,
            Kept::File => FILE_BYTES_MAX,
            Kept::Little => ANONYMOUS_BODY_BYTES_MAX,
            Kept::Nothing => 0,
        }
    }
}

/// The whole body, or the answer that refuses it. With [`Kept::Nothing`] it is empty.
pub async fn read(body: Body, kept: Kept) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, read_slowly(body, kept)).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not arrive in time")),
    }
}

async fn read_slowly(body: Body, kept: Kept) -> Result<Bytes, ApiError> {
    let (mut stream, bytes_max) = (body.into_data_stream(), kept.bytes_max());
    let (mut whole, mut total) = (Vec::new(), 0usize);
    while let Some(part) = stream.next().await {
        let part = part.map_err(|e| ApiError::invalid(format!("the body: {e}")))?;
        total += part.len();
        if total > DRAINED_BYTES_MAX {
            break;
        }
        if total <= bytes_max {
            whole.extend_from_slice(&part);
        } else {
            whole = Vec::new();
        }
    }
    if total > bytes_max && kept != Kept::Nothing {
        let message = format!("the body has more than {bytes_max} bytes");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Body {
        let part = Bytes::from(vec![b'x'; 1 << 10]);
        let parts = std::iter::repeat_n(part, bytes >> 10).map(Ok::<_, std::convert::Infallible>);
        Body::from_stream(futures_util::stream::iter(parts))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for (bytes, kept, status) in [
            (BODY_BYTES_MAX, Kept::Whole, None),
            (BODY_BYTES_MAX + 1024, Kept::Whole, Some(StatusCode::PAYLOAD_TOO_LARGE)),
            (ANONYMOUS_BODY_BYTES_MAX + 1024, Kept::Little, Some(StatusCode::PAYLOAD_TOO_LARGE)),
            (DRAINED_BYTES_MAX * 2, Kept::Whole, Some(StatusCode::PAYLOAD_TOO_LARGE)),
        ] {
            match read(body(bytes), kept).await {
                Ok(read) => assert_eq!((read.len(), None), (bytes, status)),
                Err(error) => assert_eq!(Some(error.status()), status, "{bytes}"),
            }
        }
        assert!(read(body(DRAINED_BYTES_MAX), Kept::Nothing).await.is_ok_and(|read| read.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_refused() {
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
        assert!(read(never, Kept::Whole).await.is_err_and(|e| e.status() == StatusCode::REQUEST_TIMEOUT));
    }
}
