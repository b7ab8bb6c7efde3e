//! HTTP over the sockets that agent, server and command line share.

pub mod http;
