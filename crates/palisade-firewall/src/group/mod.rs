//! Security groups, prefix lists and the port policy: what operators write, and what of it each host
//! gets.
//!
//! [`model`] is what a document says, [`kind`] puts documents into the tables of [`store`],
//! [`resolve`] (pure) makes the [`Filter`](crate::filter::Filter) of one host of them, and
//! [`effects`] (pure) says what a change opens and closes.

pub mod change;
pub mod effects;
pub mod fleet;
pub mod isolate;
pub mod kind;
pub mod model;
pub mod normal;
pub mod overlay;
pub mod resolve;
pub mod starter;
pub mod store;
pub mod trial;
