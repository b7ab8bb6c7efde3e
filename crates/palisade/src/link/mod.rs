//! HTTP over the sockets that agent, server and command line share, and how each side is trusted.

pub mod certificate;
pub mod http;
pub mod join;
pub mod line;
pub mod tls;
