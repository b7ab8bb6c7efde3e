//! What is packed comes back, and what is no frame is refused.

use palisade_monitor::model::SeriesKey;
use palisade_monitor::pack::{Summary, as_stored, pack_frame, pack_rollup, unpack_frame, unpack_rollup};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        0.0..1.0,
        0.0..1e12,
        (0_u64..1 << 53).prop_map(|n| n as f64),
        any::<f64>().prop_filter("finite", |v| v.is_finite())
    ]
}

fn series<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<(u32, T)>> {
    proptest::collection::btree_map(any::<u32>(), of, 0..150).prop_map(|map: BTreeMap<_, _>| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_back_to_24_bits(values in series(value()), interval_s in 0_u16..4_000) {
        let mut back = Vec::new();
        let interval = unpack_frame(&pack_frame(f64::from(interval_s), &values), |id, value| back.push((id, value))).unwrap();
        let stored: Vec<_> = values.iter().map(|(id, value)| (*id, as_stored(*value))).collect();
        prop_assert_eq!(&back, &stored);
        prop_assert_eq!(interval, f64::from(interval_s));
        for ((_, given), (_, kept)) in values.iter().zip(&stored) {
            prop_assert!((given - kept).abs() <= given.abs() * 6e-8, "{} {}", given, kept);
        }
    }

    #[test]
    fn rollups_come_back(summaries in series((value(), value(), value(), any::<u64>()))) {
        let given: Vec<_> = summaries.into_iter().map(|(id, (min, max, avg, samples))| (id, Summary { min, max, avg, samples })).collect();
        let mut back = Vec::new();
        unpack_rollup(&pack_rollup(&given), |id, summary| back.push((id, summary))).unwrap();
        let stored: Vec<_> = given
            .iter()
            .map(|(id, s)| (*id, Summary { min: as_stored(s.min), max: as_stored(s.max), avg: as_stored(s.avg), samples: s.samples }))
            .collect();
        prop_assert_eq!(back, stored);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let versioned = [&[1], bytes.as_slice()].concat();
        for bytes in [&bytes, &versioned] {
            let _ = unpack_frame(bytes, |_, _| {});
            let _ = unpack_rollup(bytes, |_, _| {});
        }
    }

    #[test]
    fn series_names_come_back(name in "[a-z][a-z0-9_]{0,20}", label in "[a-z]{1,8}", value in "\\PC{0,40}|[\"\\\\{}=,\u{1b}\n]{0,9}") {
        let key = SeriesKey::new(&name, Some((&label, &value)));
        prop_assert_eq!(SeriesKey::parse(&key.to_string()), Some(key));
        let bare = SeriesKey::new(&name, None);
        prop_assert_eq!(SeriesKey::parse(&bare.to_string()), Some(bare));
    }

    #[test]
    fn no_series_name_makes_it_panic(text in ".{0,60}") {
        let _ = SeriesKey::parse(&text);
    }
}

#[test]
fn a_cut_frame_is_refused() {
    let whole = pack_frame(60.0, &[(1, 0.5), (2, 1e6), (900, 0.1)]);
    assert!(unpack_frame(&whole, |_, _| {}).is_ok());
    for end in 0..whole.len() {
        assert!(unpack_frame(&whole[..end], |_, _| {}).is_err(), "{end}");
    }
}

#[test]
fn a_minute_of_120_series_takes_less_than_1200_bytes() {
    let values: Vec<(u32, f64)> =
        (1..=120).map(|n| (n, if n % 4 == 0 { f64::from(n) * 1e9 } else { 1.0 / f64::from(n) })).collect();
    let packed = pack_frame(60.0, &values).len();
    assert!(packed < 1_200, "{packed} bytes");
}

#[test]
fn summaries_weigh_by_their_samples() {
    let three = Summary { min: 1.0, max: 5.0, avg: 2.0, samples: 3 };
    assert_eq!(three.with(Summary::of(6.0)), Summary { min: 1.0, max: 6.0, avg: 3.0, samples: 4 });
}
