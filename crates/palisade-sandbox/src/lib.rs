//! Namespaces for tests: everything that changes a network or mounts something does so in
//! namespaces that the test makes, and that die with its threads.
//!
//! The guard **fails closed**. The ids of the namespaces are taken before entering and compared
//! after; where one cannot be read, or is the same before and after, the test panics before it
//! touches anything. Whatever applies rules calls [`is_isolated`] first.
//!
//! Namespaces belong to threads: ids are read from `/proc/thread-self` (a test runs on a thread of
//! its own, whose main thread stays outside), and threads that are started after entering are inside.
//!
//! What this does not do: user namespaces (tests that need root say that they were skipped), and
//! cgroups.

mod child;
mod peer;

pub use child::Child;
pub use peer::{Link, Peer};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Interfaces, addresses, routes, firewall rules.
    Net,
    /// Mounts; made private, so that none made inside is seen outside.
    Mount,
}

impl Namespace {
    fn link(self) -> &'static str {
        match self {
            Namespace::Net => "net",
            Namespace::Mount => "mnt",
        }
    }

    fn flag(self) -> CloneFlags {
        match self {
            Namespace::Net => CloneFlags::CLONE_NEWNET,
            Namespace::Mount => CloneFlags::CLONE_NEWNS,
        }
    }

    /// The id of this thread's namespace (`net:[4026531840]`); empty if it cannot be read.
    fn id(self) -> String {
        id(self.link())
    }
}

/// The id of this thread's namespace of this link name; empty if it cannot be read.
fn id(link: &str) -> String {
    std::fs::read_link(Path::new("/proc/thread-self/ns").join(link))
        .map(|link| link.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The network namespace that this process was in before it first entered another.
static OUTSIDE: OnceLock<String> = OnceLock::new();

/// Moves this thread into new network and mount namespaces, with loopback up. `Err` is why the
/// test has to be skipped.
///
/// # Panics
/// When the kernel says that it has moved us and the ids say that it has not.
pub fn enter_netns() -> Result<(), String> {
    enter(&[Namespace::Net, Namespace::Mount])?;
    ip(&["link", "set", "lo", "up"])
}

/// Moves this thread into new namespaces of these kinds. `Err` is why the test has to be skipped.
///
/// # Panics
/// When the kernel says that it has moved us and the ids say that it has not.
pub fn enter(kinds: &[Namespace]) -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root to make namespaces".to_owned());
    }
    let before: Vec<String> = kinds.iter().map(|kind| kind.id()).collect();
    let outside = OUTSIDE.get_or_init(|| Namespace::Net.id());
    assert!(!outside.is_empty(), "the id of the network namespace cannot be read; refusing to go on");
    for (kind, id) in kinds.iter().zip(&before) {
        assert!(!id.is_empty(), "the id of the {} namespace cannot be read; refusing to go on", kind.link());
    }
    let flags = kinds.iter().fold(CloneFlags::empty(), |flags, kind| flags | kind.flag());
    unshare(flags).map_err(|e| format!("this kernel makes no namespaces here: {e}"))?;
    for (kind, before) in kinds.iter().zip(before) {
        let after = kind.id();
        assert!(
            differ(&before, &after),
            "still in the {} namespace of before ({after}); refusing to go on",
            kind.link()
        );
    }
    if kinds.contains(&Namespace::Mount) {
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
            .map_err(|e| format!("making the mounts private: {e}"))?;
    }
    Ok(())
}

/// True if this thread is in another network namespace than the one in which the process began.
/// False when in doubt.
pub fn is_isolated() -> bool {
    OUTSIDE.get().is_some_and(|outside| differ(outside, &Namespace::Net.id()))
}

fn differ(before: &str, after: &str) -> bool {
    !before.is_empty() && !after.is_empty() && before != after
}

/// Runs `ip` in this thread's network namespace. `Err` says what it said.
///
/// # Panics
/// Outside a namespace of the test's own.
pub fn ip(args: &[&str]) -> Result<(), String> {
    run("ip", args).map(|_| ())
}

/// Runs a program in this thread's namespaces and returns its standard output.
///
/// # Panics
/// Outside a namespace of the test's own.
pub fn run(program: &str, args: &[&str]) -> Result<String, String> {
    assert!(is_isolated(), "`{program}` is run in namespaces of the test's own only");
    let said = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("running `{program}`: {e}"))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    Err(format!("`{program} {}`: {}", args.join(" "), String::from_utf8_lossy(&said.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_empty_or_equal_never_count_as_isolated() {
        assert!(!differ("", ""));
        assert!(!differ("net:[1]", ""));
        assert!(!differ("", "net:[1]"));
        assert!(!differ("net:[1]", "net:[1]"));
        assert!(differ("net:[1]", "net:[2]"));
    }

    #[test]
    fn a_process_that_has_not_entered_anything_is_not_isolated() {
        assert!(!is_isolated());
    }

    #[test]
    fn inside_means_another_network_and_outside_threads_stay_where_they_were() {
        let before = Namespace::Net.id();
        if let Err(why) = enter_netns() {
            return println!("skipped: {why}");
        }
        assert!(is_isolated());
        assert!(std::thread::spawn(is_isolated).join().unwrap_or(false), "a thread started inside is inside");
        assert_ne!(before, Namespace::Net.id());
    }

    #[test]
    fn two_namespaces_reach_each_other_over_their_link() {
        if let Err(why) = enter_netns() {
            return println!("skipped: {why}");
        }
        let link = Link { here: &["10.99.0.1/24"], there: &["10.99.0.2/24"] };
        let peer = match Peer::beside(&link) {
            Ok(peer) => peer,
            Err(why) => return println!("skipped: {why}"),
        };
        let listener = std::net::TcpListener::bind("10.99.0.1:0").expect("bound here");
        let port = listener.local_addr().expect("bound").port();
        let reached = peer.run(move || std::net::TcpStream::connect(("10.99.0.1", port)).is_ok());
        assert!(reached);
        assert!(peer.run(is_isolated));
    }

    #[test]
    fn a_child_in_a_pid_namespace_is_its_first_process() {
        if let Err(why) = enter_netns() {
            return println!("skipped: {why}");
        }
        match Child::start_in_pid_namespace(|| assert_eq!(std::process::id(), 1)) {
            Ok(child) => assert!(child.wait()),
            Err(why) => println!("skipped: {why}"),
        }
    }

    #[test]
    fn a_killed_child_is_told_from_one_that_ended() {
        if let Err(why) = enter_netns() {
            return println!("skipped: {why}");
        }
        assert!(
            Child::start(|| loop {
                std::thread::park()
            })
            .kill()
        );
        assert!(Child::start(|| {}).wait());
        assert!(!Child::start(|| panic!("on purpose")).wait());
    }
}
