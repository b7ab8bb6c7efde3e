//! Rules of others that reach into the tracking of conversations: that write conntrack marks, or have
//! packets not tracked. Both the expressions of nft and the targets of iptables-nft are read.

use super::wire::*;
use super::{Family, Reader, TableName};
use crate::SysError;
use crate::netlink::{attribute, attributes, text, u32_be};
use std::collections::BTreeSet;

/// `NFT_CT_MARK`.
const CT_MARK: u32 = 3;
/// `XT_CT_NOTRACK`.
const TARGET_NOTRACK: u16 = 1;

/// What a rule does to the tracking of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disturbs {
    /// It writes bits of the mark that are asked about.
    Mark,
    /// Packets are not tracked.
    Tracking,
}

impl Reader {
    /// The chains with rules that write bits of `mask` in conntrack marks, or switch tracking off, each
    /// once, in all tables.
    pub fn disturbers(&mut self, mask: u32) -> Result<BTreeSet<(TableName, String, Disturbs)>, SysError> {
        let read = |family: Family, body: &[u8]| {
            let name = text(attribute(body, RULE_TABLE)?);
            let chain = text(attribute(body, RULE_CHAIN)?);
            let does = attribute(body, RULE_EXPRESSIONS).and_then(|list| disturbs(list, mask));
            Some((TableName { family, name }, chain, does))
        };
        let all = self.rules_as("looking for rules that write conntrack marks", read)?;
        Ok(all.into_iter().filter_map(|(table, chain, does)| Some((table, chain, does?))).collect())
    }
}

/// What is in the register, as far as it matters here.
#[derive(Clone, Copy)]
enum Held {
    /// The mark, with the bits of the mask as they were.
    Kept,
    /// Anything else.
    Other,
}

fn disturbs(expressions: &[u8], mask: u32) -> Option<Disturbs> {
    let mut held = Held::Other;
    for (_, element) in attributes(expressions).filter(|(kind, _)| *kind == LIST_ELEM) {
        let name = attribute(element, EXPR_NAME).map(text).unwrap_or_default();
        let data = attribute(element, EXPR_DATA).unwrap_or_default();
        let number = |kind| attribute(data, kind).and_then(u32_be);
        match name.as_str() {
            "notrack" => return Some(Disturbs::Tracking),
            "target" => {
                if let Some(does) = target(data, mask) {
                    return Some(does);
                }
            }
            // register written to (1), key (2), register read from (4)
            "ct" if number(2) == Some(CT_MARK) && number(4).is_some() => {
                if matches!(held, Held::Other) {
                    return Some(Disturbs::Mark);
                }
            }
            "ct" if number(2) == Some(CT_MARK) => held = Held::Kept,
            "bitwise" if matches!(held, Held::Kept) && keeps(data, mask) => {}
            "bitwise" | "immediate" | "ct" | "meta" | "payload" | "numgen" | "hash" => held = Held::Other,
            _ => {}
        }
    }
    None
}

/// True if `(value & mask of the expression) ^ xor` leaves the bits of `mask` as they were. A lookup or
/// a comparison in between changes nothing.
fn keeps(data: &[u8], mask: u32) -> bool {
    let value = |kind| {
        let bytes = attribute(attribute(data, kind)?, DATA_VALUE)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    };
    value(4).is_some_and(|and| and & mask == mask) && value(5).is_some_and(|xor| xor & mask == 0)
}

/// Targets of iptables: `struct xt_connmark_tginfo1` (mark, mask, mask of the packet's mark, mode; from
/// revision 2 on two bytes about shifting before the mode) and `struct xt_ct_target_info` (flags first).
fn target(data: &[u8], mask: u32) -> Option<Disturbs> {
    let name = attribute(data, 1).map(text).unwrap_or_default();
    let info = attribute(data, 3).unwrap_or_default();
    let number = |at: usize| info.get(at..at + 4).and_then(|b| Some(u32::from_ne_bytes(b.try_into().ok()?)));
    match name.as_str() {
        "NOTRACK" => Some(Disturbs::Tracking),
        "CT" => {
            let flags = u16::from_ne_bytes(*info.first_chunk::<2>()?);
            (flags & TARGET_NOTRACK != 0).then_some(Disturbs::Tracking)
        }
        "CONNMARK" => {
            let (mark, bits, packet_bits) = (number(0)?, number(4)?, number(8)?);
            let mode_at = if attribute(data, 2).and_then(u32_be) >= Some(2) { 14 } else { 12 };
            let written = match info.get(mode_at)? {
                0 => mark | bits,        // set
                1 => bits | packet_bits, // save
                _ => 0,                  // restore writes the packet's mark only
            };
            (written & mask != 0).then_some(Disturbs::Mark)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use palisade_sandbox::{enter_netns, run};
    use proptest::prelude::*;

    const OURS: u32 = 0xffff_0000;

    #[test]
    fn rules_that_write_our_bits_are_found_and_others_are_not() {
        let text = "add table inet t; add chain inet t c { type filter hook prerouting priority -300 ; }";
        if let Err(why) = enter_netns().and_then(|()| run("nft", &[text])) {
            return println!("skipped: {why}");
        }
        let mut reader = Reader::open().unwrap();
        for (rule, expected) in [
            ("ct mark set 41", Some(Disturbs::Mark)),
            ("ct mark set meta mark", Some(Disturbs::Mark)),
            ("ct mark set ct mark or 0x10000", Some(Disturbs::Mark)),
            ("ct mark set ct mark and 0xffff", Some(Disturbs::Mark)),
            ("ct mark set ct mark or 0x1", None),
            ("ct mark set ct mark and 0xffff0000", None),
            ("meta mark set ct mark", None),
            ("ct mark 7 accept", None),
            ("tcp dport 53 notrack", Some(Disturbs::Tracking)),
        ] {
            run("nft", &["flush chain inet t c"]).unwrap();
            run("nft", &[&format!("add rule inet t c {rule}")]).unwrap();
            let found: Vec<Disturbs> = reader.disturbers(OURS).unwrap().into_iter().map(|(.., does)| does).collect();
            assert_eq!(found, Vec::from_iter(expected), "{rule}");
        }
    }

    #[test]
    fn targets_of_iptables_are_read_too() {
        if let Err(why) = enter_netns().and_then(|()| run("iptables-nft", &["-t", "mangle", "-S"])) {
            return println!("skipped: {why}");
        }
        let mut reader = Reader::open().unwrap();
        for (table, rule, expected) in [
            ("mangle", "-j CONNMARK --set-xmark 0x1/0xffffffff", Some(Disturbs::Mark)),
            ("mangle", "-j CONNMARK --set-xmark 0x1/0xff", None),
            ("mangle", "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", None),
            ("mangle", "-j CONNMARK --save-mark", Some(Disturbs::Mark)),
            ("mangle", "-j CONNMARK --restore-mark", None),
            ("raw", "-p udp -j CT --notrack", Some(Disturbs::Tracking)),
        ] {
            let words: Vec<&str> = ["-t", table, "-A", "PREROUTING"].into_iter().chain(rule.split(' ')).collect();
            if let Err(why) = run("iptables-nft", &words) {
                println!("skipped: {why}");
                continue;
            }
            let found: Vec<Disturbs> = reader.disturbers(OURS).unwrap().into_iter().map(|(.., does)| does).collect();
            assert_eq!(found, Vec::from_iter(expected), "{rule}");
            run("iptables-nft", &["-t", table, "-F"]).unwrap();
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (disturbs(&bytes, OURS), target(&bytes, OURS));
        }
    }
}
