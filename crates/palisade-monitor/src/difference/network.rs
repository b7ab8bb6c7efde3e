//! Interfaces and TCP.

use super::{Draft, same};
use palisade_sys::sample::{Interface, Sample};

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    let states = [
        ("established", after.tcp.map(|tcp| tcp.established)),
        ("time_wait", after.sockets.map(|sockets| sockets.tcp_time_wait)),
        ("listen", after.tcp_listening),
    ];
    for (state, count) in states {
        if let Some(count) = count {
            draft.put("tcp_connections", Some(state), count as f64);
        }
    }
    if let Some(sockets) = after.sockets {
        draft.put("tcp_sockets", None, sockets.tcp_allocated as f64);
    }
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    for (at, new) in after.interfaces.iter().enumerate() {
        if let Some(old) = same(&before.interfaces, at, |i| i.name == new.name) {
            interface(old, new, draft);
        }
    }
    let (Some(old), Some(new)) = (before.tcp, after.tcp) else { return };
    let sent = draft.rise((old.segments_out, new.segments_out));
    let again = draft.rise((old.segments_retransmitted, new.segments_retransmitted));
    if let (Some(sent), Some(again)) = (sent, again) {
        // the kernel does not count what is sent again among the segments sent
        let all = sent + again;
        draft.put("tcp_retransmit_ratio", None, if all > 0.0 { again / all } else { 0.0 });
    }
}

fn interface(old: &Interface, new: &Interface, draft: &mut Draft) {
    let name = Some(new.name.as_str());
    let counters = [
        ("network_receive_bytes_rate", old.receive_bytes, new.receive_bytes),
        ("network_receive_packets_rate", old.receive_packets, new.receive_packets),
        ("network_receive_errors_rate", old.receive_errors, new.receive_errors),
        ("network_receive_drops_rate", old.receive_drops, new.receive_drops),
        ("network_transmit_bytes_rate", old.transmit_bytes, new.transmit_bytes),
        ("network_transmit_packets_rate", old.transmit_packets, new.transmit_packets),
        ("network_transmit_errors_rate", old.transmit_errors, new.transmit_errors),
        ("network_transmit_drops_rate", old.transmit_drops, new.transmit_drops),
    ];
    for (metric, old, new) in counters {
        draft.rate(metric, name, (old, new), 1.0);
    }
}
