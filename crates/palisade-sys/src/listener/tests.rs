//! Waiting sockets, on real ones of this machine's loopback and on captured text.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::net::{TcpListener, TcpStream, UdpSocket};

fn found(protocol: Protocol, port: u16) -> Vec<Listener> {
    listeners().unwrap().into_iter().filter(|l| (l.protocol, l.port) == (protocol, port)).collect()
}

#[test]
fn a_listening_tcp_socket_is_found_with_its_owner_and_a_connected_one_is_not() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let rows = found(Protocol::Tcp, port);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((row.address, row.v6only), ("127.0.0.1".parse().unwrap(), None));
    assert_eq!(row.pid, Some(std::process::id()));
    assert_eq!(row.exe.as_deref(), std::env::current_exe().unwrap().to_str());
    assert_eq!(row.uid, nix::unistd::geteuid().as_raw());
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert_eq!(row.process.as_deref(), Some(name.trim_end()));
}

#[test]
fn a_bound_udp_socket_is_found_and_a_connected_one_is_not() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    assert_eq!(found(Protocol::Udp, port).first().and_then(|l| l.pid), Some(std::process::id()));
    socket.connect("127.0.0.1:9").unwrap();
    assert_eq!(found(Protocol::Udp, port), []);
}

#[test]
fn an_ipv6_wildcard_socket_says_whether_it_takes_ipv4() {
    let Ok(socket) = TcpListener::bind("[::]:0") else {
        println!("skipped: this kernel has no IPv6");
        return;
    };
    let rows = found(Protocol::Tcp, socket.local_addr().unwrap().port());
    assert_eq!(rows.iter().map(|l| (l.address, l.v6only)).collect::<Vec<_>>(), [("::".parse().unwrap(), Some(false))]);
}

#[test]
fn proc_net_says_the_same_as_sock_diag() {
    let _held = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for v6 in [false, true] {
            let keys = |list: Vec<Listener>| {
                let mut keys: Vec<_> = list.into_iter().map(|l| (l.address, l.port, l.uid, l.inode)).collect();
                keys.sort();
                keys
            };
            // other tests open and close sockets meanwhile: equal once is enough
            let same = (0..50).any(|_| {
                let Ok(dumped) = diag::dump(protocol, v6) else {
                    println!("skipped: sock_diag is refused here");
                    return true;
                };
                keys(dumped) == keys(from_proc(protocol, v6).unwrap())
            });
            assert!(same, "{protocol:?} v6: {v6}");
        }
    }
}

#[test]
fn captured_proc_net_files_are_read() {
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 21043 1 0000000000000000 100 0 0 10 0\n   \
        1: 0F02000A:0016 0202000A:D3F4 01 00000000:00000000 02:000A9C3B 00000000     0        0 20911 4 0000000000000000 20 4 31 10 -1\n";
    let rows = proc_net::parse(Protocol::Tcp, tcp);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].address, rows[0].port, rows[0].uid, rows[0].inode),
        ("127.0.0.1".parse().unwrap(), 3306, 107, 21043)
    );
    let udp6 = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n  \
        338: 000080FE00000000FF00000A0100000A:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   998        0 19876 2 0000000000000000 0\n";
    let rows = proc_net::parse(Protocol::Udp, udp6);
    assert_eq!((rows[0].address, rows[0].port), ("fe80::a00:ff:a00:1".parse().unwrap(), 546));
}

proptest! {
    #[test]
    fn no_datagram_and_no_line_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = diag::walk(&bytes, |body| diag::ends(body).is_some());
        let mut framed = (bytes.len() as u32 + 16).to_ne_bytes().to_vec();
        framed.extend([20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        framed.extend(&bytes);
        let _ = diag::walk(&framed, |body| diag::ends(body).is_some());
        let _ = proc_net::parse(Protocol::Tcp, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_line_like_text_panics(text in "(sl\n)?[ :0-9A-Fxé]{0,200}") {
        let _ = proc_net::parse(Protocol::Udp, &text);
        let _ = socket_inode(&text);
    }
}
