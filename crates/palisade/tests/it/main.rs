//! The product: the real binary, as a user runs it.
#![allow(clippy::unwrap_used)]

mod act;
mod alarm;
mod alarm_channels;
mod alarm_crash;
mod alarm_fleet;
mod alarm_hostile;
mod api;
mod chaos;
mod check;
mod cloud_init;
mod faults;
mod feed;
mod fleet;
mod groups;
mod groups_fleet;
mod groups_seen;
mod hostile;
mod hosts;
mod https;
mod install;
mod join;
mod joining;
mod link;
mod order;
mod raw;
mod receiver;
mod resource;
mod running;
mod sampling;
mod server_watch;
mod sink;
mod trust;
mod users;
