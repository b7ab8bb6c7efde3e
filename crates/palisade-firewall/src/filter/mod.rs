//! What one host lets in and out: the rules that it evaluates, in order, and what they compile to.
//!
//! [`Filter`] travels in the host's spec. [`judge`] says what it means, packet by packet, and is the
//! measure of everything else ([`packet`] reads a packet in words); [`reach`] says the same for all packets at once, so that two filters
//! can be compared; [`compile`] makes a [`program`] of it that the kernel carries out in a time that
//! does not grow with the number of rules; [`text`] prints a program for `nft`.

pub mod compile;
pub mod judge;
pub mod model;
pub mod packet;
pub mod program;
pub mod reach;
pub mod segment;
pub mod sweep;
pub mod text;
pub mod verdict;

pub use model::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
