//! Messages as they are written, and bytes that are none.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

#[test]
fn what_is_written_is_read_back() {
    let mut out = Buffer::default();
    out.message(7, 1, 42, |out| {
        out.raw(&[2, 0, 0, 0]);
        out.text(1, "palisade");
        out.nest(2, |out| {
            out.u32_be(1, 0xdead_beef);
            out.u64_be(2, u64::MAX - 1);
            out.bytes(3, &[1, 2, 3]);
        });
    });
    out.message(8, 0, 43, |_| {});
    out.flags_add(0, 4);
    let all: Vec<Message<'_>> = messages(out.finished().unwrap()).collect();
    assert_eq!(all.iter().map(|m| (m.kind, m.flags, m.seq)).collect::<Vec<_>>(), [(7, 5, 42), (8, 0, 43)]);
    let body = &all[0].body[4..];
    assert_eq!(attribute(body, 1).map(text).as_deref(), Some("palisade"));
    let nest = attribute(body, 2).unwrap();
    assert_eq!(attribute(nest, 1).and_then(u32_be), Some(0xdead_beef));
    assert_eq!(attribute(nest, 2).and_then(u64_be), Some(u64::MAX - 1));
    assert_eq!(attribute(nest, 3), Some(&[1, 2, 3][..]));
    assert_eq!(attribute(nest, 4), None);
}

#[test]
fn what_is_late_is_taken_off_what_is_left_and_off_nothing_else() {
    let mut out = Buffer::default();
    out.message(7, 0, 1, |out| {
        out.countdown_ms(1, 5_000);
        out.u64_be(2, 5_000);
        out.countdown_ms(3, 900);
    });
    out.late_by(1_000);
    let body = messages(out.finished().unwrap()).next().unwrap().body;
    let left = [1, 2, 3].map(|kind| attribute(body, kind).and_then(u64_be).unwrap());
    assert_eq!(left, [4_000, 5_000, 1], "0 would mean that it stays");
}

#[test]
fn an_attribute_that_its_length_cannot_say_is_refused_and_not_sent() {
    let mut out = Buffer::default();
    out.message(7, 0, 1, |out| out.bytes(1, &[0; 65_532]));
    let error = out.finished().unwrap_err();
    assert!(error.to_string().contains("16-bit"), "{error}");
    let mut out = Buffer::default();
    out.message(7, 0, 1, |out| out.bytes(1, &[0; 65_531]));
    assert!(out.finished().is_ok());
}

#[test]
fn an_error_is_a_positive_number_and_only_in_messages_that_carry_one() {
    let message = |kind: i32, body| Message { kind: kind as u16, flags: 0, seq: 0, port: 0, body };
    let (refused, absurd) = ((-libc::ENOENT).to_ne_bytes(), i32::MIN.to_ne_bytes());
    assert_eq!(message(libc::NLMSG_ERROR, &refused).error(), Some(libc::ENOENT));
    assert_eq!(message(libc::NLMSG_DONE, &[]).error(), Some(0));
    assert_eq!(message(libc::NLMSG_ERROR, &absurd).error(), Some(i32::MAX));
    assert_eq!(message(2_570, &refused).error(), None);
}

proptest! {
    #[test]
    fn reading_never_panics_and_ends(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for message in messages(&bytes) {
            let _ = message.error();
            for (_, value) in attributes(message.body) {
                let _ = (text(value), u32_be(value), u64_be(value), attributes(value).count());
            }
        }
        prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
        prop_assert!(messages(&bytes).count() <= bytes.len() / 16);
    }

    #[test]
    fn a_cut_datagram_gives_the_messages_before_the_cut(cut in 0usize..120) {
        let mut out = Buffer::default();
        for seq in 0..5 {
            out.message(1, 0, seq, |out| out.bytes(1, &[7; 3]));
        }
        let bytes = out.finished().unwrap();
        prop_assert_eq!(messages(&bytes[..cut]).count(), cut / 24);
    }
}
