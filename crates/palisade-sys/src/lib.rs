//! The hands of Palisade: every touch of the operating system, one file per tool or kernel
//! interface. Nothing here decides anything.
//!
//! Whatever is read from a host may be hostile: every read has a limit in bytes, every list a
//! limit in entries, and nothing is passed to a shell.

pub mod accounts;
pub mod apt;
pub mod autostart;
pub mod clock;
pub mod connection;
pub mod conntrack;
pub mod deb822;
pub mod debversion;
pub mod deleted;
pub mod dpkg;
pub mod error;
pub mod facts;
pub mod kmod;
pub mod listener;
pub mod logging;
pub mod machine;
pub mod netlink;
pub mod nflog;
pub mod nft;
pub mod os_release;
pub mod owners;
pub mod pam;
pub mod process;
pub mod process_files;
pub mod reboot;
pub mod root;
pub mod sample;
pub mod sshd;
pub mod sysctl;
pub mod units;
pub mod webroot;

pub use error::SysError;
pub use root::Root;
