//! A sign of life: an empty request, as services that watch for silence expect it.

use super::{Failure, judged};
use crate::notify::http::{self, Call};
use crate::notify::spec::ChannelSpec;
use crate::outbound::Reach;
use ::http::Method;

/// Gives it.
pub async fn beat(spec: &ChannelSpec) -> Result<String, Failure> {
    let url = spec.url.as_deref().ok_or_else(|| Failure::Refused("the channel has no `url`".to_owned()))?;
    let (ca_pem, reach) = (spec.ca_pem.as_deref(), Reach::of(spec.allow_private));
    let call = Call { method: Method::POST, url, headers: Vec::new(), body: Vec::new(), ca_pem, reach };
    judged(http::call(&call).await?)
}
