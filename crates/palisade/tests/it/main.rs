//! The product: the real binary, as a user runs it.
#![allow(clippy::unwrap_used)]

mod act;
mod api;
mod check;
mod faults;
mod hostile;
mod https;
mod install;
mod order;
mod resource;
mod running;
