//! A second network namespace beside the test's own, joined to it by a pair of virtual interfaces.

use crate::{Namespace, enter, ip, is_isolated};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// The addresses of both ends, each with its prefix length (`10.99.0.1/24`, `fd00:99::1/64`).
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// On the test's side, interface `pal0` (`pal2` for the second peer, and so on).
    pub here: &'a [&'a str],
    /// On the peer's side, interface `pal1` (`pal3` for the second peer, and so on).
    pub there: &'a [&'a str],
}

type Job = Box<dyn FnOnce() + Send>;

/// The other side: a thread in a network namespace of its own, which dies with this value.
#[derive(Debug)]
pub struct Peer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    interface: String,
}

impl Peer {
    /// Makes the namespace and the link, with loopback and both interfaces up. `Err` is why the
    /// test has to be skipped.
    ///
    /// # Panics
    /// When this thread is not in a namespace of the test's own.
    pub fn beside(link: &Link<'_>) -> Result<Peer, String> {
        Peer::nth(0, link)
    }

    /// As [`Peer::beside`], for one of several; `n` counts from 0.
    ///
    /// # Panics
    /// As [`Peer::beside`].
    pub fn nth(n: usize, link: &Link<'_>) -> Result<Peer, String> {
        assert!(is_isolated(), "a link is made in namespaces of the test's own only");
        let (jobs, inbox) = channel::<Job>();
        let (ready, started) = channel();
        let thread = std::thread::spawn(move || live(&inbox, &ready));
        let (here, there) = (format!("pal{}", n * 2), format!("pal{}", n * 2 + 1));
        let peer = Peer { jobs: Some(jobs), thread: Some(thread), interface: here.clone() };
        let thread_id: i32 = started.recv().map_err(|_| "the peer's thread has ended".to_owned())??;
        ip(&["link", "add", &here, "type", "veth", "peer", "name", &there])?;
        ip(&["link", "set", &there, "netns", &thread_id.to_string()])?;
        bring_up(&here, link.here)?;
        let addresses: Vec<String> = link.there.iter().map(|a| (*a).to_owned()).collect();
        peer.run(move || {
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            ip(&["link", "set", "lo", "up"])?;
            bring_up(&there, &addresses)
        })?;
        Ok(peer)
    }

    /// Takes the link down or brings it up again; what is sent meanwhile is lost.
    pub fn set_link(&self, up: bool) -> Result<(), String> {
        ip(&["link", "set", &self.interface, if up { "up" } else { "down" }])
    }

    /// Runs a function on the other side and waits for what it returns.
    ///
    /// # Panics
    /// When the function does.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = channel();
        let job: Job = Box::new(move || {
            let _ = done.send(job());
        });
        let jobs = self.jobs.as_ref().expect("open until dropped");
        jobs.send(job).expect("the peer's thread lives until dropped");
        result.recv().expect("the job on the peer's side panicked")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn live(inbox: &Receiver<Job>, ready: &Sender<Result<i32, String>>) {
    let entered = enter(&[Namespace::Net]).map(|()| nix::unistd::gettid().as_raw());
    if ready.send(entered).is_err() {
        return;
    }
    while let Ok(job) = inbox.recv() {
        job();
    }
}

fn bring_up(interface: &str, addresses: &[&str]) -> Result<(), String> {
    for address in addresses {
        // nodad: an IPv6 address is usable at once, there is nobody else on the link
        let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        ip(&[&["address", "add", address, "dev", interface], nodad].concat())?;
    }
    ip(&["link", "set", interface, "up"])
}
