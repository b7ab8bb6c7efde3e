//! The history of the processes that stood out: the three lists of each minute, kept 15 days.
//!
//! A frame's lists become a row of `monitor_process`; once an hour is over, [`tend`] puts its rows
//! together into one of `monitor_process_hour`, because the same names and command lines stand in
//! every minute of it and shrink to little. A minute that comes late is put into its hour later.

pub mod api;
pub mod cli;
pub mod pack;
mod store;

pub use api::router;
pub use store::{at_minute, put, tend};
