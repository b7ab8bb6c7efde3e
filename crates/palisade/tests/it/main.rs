//! The product: the real binary, as a user runs it.
#![allow(clippy::unwrap_used)]

mod act;
mod alarm;
mod api;
mod chaos;
mod check;
mod cloud_init;
mod faults;
mod fleet;
mod hostile;
mod hosts;
mod https;
mod install;
mod join;
mod joining;
mod link;
mod order;
mod raw;
mod resource;
mod running;
mod sampling;
mod sink;
mod trust;
mod users;
