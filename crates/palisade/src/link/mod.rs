//! What agent and server say to each other, and HTTP over the sockets that they share.

pub mod http;
pub mod messages;
