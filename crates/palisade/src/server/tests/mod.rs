//! Users and sign-in, asked as a browser asks.
#![allow(clippy::unwrap_used)]

mod audit;
mod codes;
mod guessing;
mod passwords;
mod sessions;
mod stream;
mod users;
