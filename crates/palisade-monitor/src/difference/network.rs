//! Interfaces and TCP.

use super::{Draft, add_rises, same};
use palisade_sys::sample::{Interface, Sample};

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    let rare = after.tcp_states;
    let close_wait = rare.map_or(0, |states| states.close_wait);
    let states = [
        // the kernel's counter holds both
        ("established", after.tcp.map(|tcp| tcp.established.saturating_sub(close_wait))),
        ("time_wait", after.sockets.map(|sockets| sockets.tcp_time_wait)),
        ("listen", after.tcp_listening),
        ("syn_sent", rare.map(|s| s.syn_sent)),
        ("syn_recv", rare.map(|s| s.syn_recv)),
        ("fin_wait1", rare.map(|s| s.fin_wait1)),
        ("fin_wait2", rare.map(|s| s.fin_wait2)),
        ("close", rare.map(|s| s.close)),
        ("close_wait", rare.map(|s| s.close_wait)),
        ("last_ack", rare.map(|s| s.last_ack)),
        ("closing", rare.map(|s| s.closing)),
    ];
    for (state, count) in states {
        if let Some(count) = count {
            draft.put("tcp_connections", Some(state), count as f64);
        }
    }
    if let Some(sockets) = after.sockets {
        // those in TIME-WAIT are no sockets any more to the kernel
        draft.put("tcp_sockets", None, sockets.tcp_allocated.saturating_add(sockets.tcp_time_wait) as f64);
    }
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    let mut all = [Some(0); 2];
    let counters = |i: &Interface| [i.receive_bytes, i.transmit_bytes];
    for (at, new) in after.interfaces.iter().enumerate() {
        let Some(old) = same(&before.interfaces, at, |i| i.name == new.name) else { continue };
        interface(old, new, draft);
        if !passes_on(&new.name) {
            add_rises(&mut all, counters(old), counters(new));
        }
    }
    if !after.interfaces.is_empty() {
        draft.total("network_all_receive_bytes_rate", all[0]);
        draft.total("network_all_transmit_bytes_rate", all[1]);
    }
    retransmits(before, after, draft);
}

fn retransmits(before: &Sample, after: &Sample, draft: &mut Draft) {
    let (Some(old), Some(new)) = (before.tcp, after.tcp) else { return };
    let sent = draft.rise((old.segments_out, new.segments_out));
    let again = draft.rise((old.segments_retransmitted, new.segments_retransmitted));
    if let (Some(sent), Some(again)) = (sent, again) {
        // the kernel does not count what is sent again among the segments sent
        let all = sent + again;
        draft.put("tcp_retransmit_ratio", None, if all > 0.0 { again / all } else { 0.0 });
    }
}

/// Whether an interface carries what another one has carried already: a bridge, a bond, a VLAN, a tunnel.
fn passes_on(name: &str) -> bool {
    const PREFIXES: [&str; 17] = [
        "docker", "podman", "br-", "virbr", "vmbr", "bond", "team", "tun", "tap", "wg", "cni", "flannel", "vxlan",
        "geneve", "kube", "cilium", "ovs",
    ];
    let is_bridge = name.strip_prefix("br").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    is_bridge || name.contains('.') || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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
    let (received, sent) = ((old.receive_packets, new.receive_packets), (old.transmit_packets, new.transmit_packets));
    share("network_receive_errors_ratio", name, (old.receive_errors, new.receive_errors), received, draft);
    share("network_transmit_errors_ratio", name, (old.transmit_errors, new.transmit_errors), sent, draft);
    share("network_receive_drops_ratio", name, (old.receive_drops, new.receive_drops), received, draft);
    share("network_transmit_drops_ratio", name, (old.transmit_drops, new.transmit_drops), sent, draft);
}

/// Packets that were lost, of those that were lost or got through; 0 where there was no packet.
fn share(metric: &'static str, interface: Option<&str>, lost: (u64, u64), through: (u64, u64), draft: &mut Draft) {
    // one that fell was counted already, where its rate is made
    let (Some(lost), Some(through)) = (lost.1.checked_sub(lost.0), through.1.checked_sub(through.0)) else { return };
    let all = lost as f64 + through as f64;
    draft.put(metric, interface, if all > 0.0 { lost as f64 / all } else { 0.0 });
}
