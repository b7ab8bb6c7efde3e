//! Connections to the SSH server: captured text, and a real sshd in a namespace of the test's own.
#![allow(clippy::unwrap_used)]

use super::*;
use nix::mount::{MsFlags, mount};
use palisade_sandbox::{Link, Peer};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// As the kernel writes it on x86-64: sshd on 22, a connection from 203.0.113.9 to it, one over
/// loopback, one from this host to its own address 198.51.100.4, one to a web server, and one that is
/// not established yet.
const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21043 1 0000000000000000 100 0 0 10 0
   1: 046433C6:0016 097100CB:D431 01 00000000:00000000 02:000A7D2C 00000000     0        0 30511 4 0000000000000000 20 4 30 10 -1
   2: 0100007F:0016 0100007F:D432 01 00000000:00000000 02:000A7D2C 00000000     0        0 30512 4 0000000000000000 20 4 30 10 -1
   3: 046433C6:0016 046433C6:D433 01 00000000:00000000 02:000A7D2C 00000000     0        0 30513 4 0000000000000000 20 4 30 10 -1
   4: 046433C6:0050 097100CB:D434 01 00000000:00000000 02:000A7D2C 00000000     0        0 30514 4 0000000000000000 20 4 30 10 -1
   5: 046433C6:0016 097100CB:D435 03 00000000:00000000 02:000A7D2C 00000000     0        0 30515 4 0000000000000000 20 4 30 10 -1
";

#[test]
#[cfg(target_endian = "little")]
fn only_established_connections_from_another_host_to_the_port_count() {
    let one = Inbound { own: "198.51.100.4:22".parse().unwrap(), peer: "203.0.113.9:54321".parse().unwrap() };
    assert_eq!(listed(TCP, &BTreeSet::from([22])), BTreeSet::from([one]));
    assert_eq!(listed(TCP, &BTreeSet::from([23])), BTreeSet::new());
}

#[test]
#[cfg(target_endian = "little")]
fn an_ipv4_address_that_ipv6_carries_is_an_ipv4_address() {
    let tcp6 = "  sl  local_address ...\n   0: 0000000000000000FFFF0000046433C6:0016 0000000000000000FFFF0000097100CB:D431 01 0 0 0 0 0 0 0";
    let peers: Vec<_> = listed(tcp6, &BTreeSet::from([22])).into_iter().map(|c| c.peer.to_string()).collect();
    assert_eq!(peers, ["203.0.113.9:54321"]);
    assert!(listed("\n0: zz:0016 zz:1 01\n1: 0:0\n", &BTreeSet::from([22])).is_empty());
}

const PORT: u16 = 2_222;

/// A real sshd on 10.99.0.1 that ends with the test; `Err` is why there is none.
fn sshd(dir: &std::path::Path) -> Result<Child, String> {
    let nothing = None::<&str>;
    // privilege separation wants its directory; the machine's own stays as it is
    mount(Some("none"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).map_err(|e| format!("mounting: {e}"))?;
    std::fs::create_dir("/run/sshd").unwrap();
    let key = dir.join("host_key").to_string_lossy().into_owned();
    palisade_sandbox::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])?;
    Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f", "/dev/null", "-h", &key, "-p", &PORT.to_string(), "-o", "ListenAddress=10.99.0.1"])
        .args(["-o", "PidFile=none", "-o", "UsePAM=no"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting sshd: {e}"))
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_new_connection_to_a_real_sshd_is_seen_and_one_over_loopback_is_not() {
    let link = Link { here: &["10.99.0.1/24"], there: &["10.99.0.2/24"] };
    let peer = match palisade_sandbox::enter_netns().and_then(|()| Peer::beside(&link)) {
        Ok(peer) => peer,
        Err(why) => return println!("skipped: {why}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut server = match sshd(dir.path()) {
        Ok(server) => server,
        Err(why) => return println!("skipped: {why}"),
    };
    until("sshd listens", || ssh_ports().unwrap().contains(&PORT));
    let ports = ssh_ports().unwrap();
    let _own = TcpStream::connect(("10.99.0.1", PORT)).unwrap();
    assert_eq!(inbound(&ports).unwrap(), BTreeSet::new(), "this host to its own address");
    let outside = peer.run(|| TcpStream::connect(("10.99.0.1", PORT)).unwrap());
    until("the connection is seen", || inbound(&ports).unwrap().len() == 1);
    let seen = inbound(&ports).unwrap().pop_first().unwrap();
    assert_eq!(seen.peer, outside.local_addr().unwrap());
    assert_eq!(inbound(&BTreeSet::from([PORT + 1])).unwrap(), BTreeSet::new());
    server.kill().unwrap();
    server.wait().unwrap();
}
