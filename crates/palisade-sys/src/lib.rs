//! The hands of Palisade: every touch of the operating system, one file per tool or kernel
//! interface. Nothing here decides anything.
//!
//! Whatever is read from a host may be hostile: every read has a limit in bytes, every list a
//! limit in entries, and nothing is passed to a shell.

pub mod error;
pub mod root;

pub use error::SysError;
pub use root::Root;
