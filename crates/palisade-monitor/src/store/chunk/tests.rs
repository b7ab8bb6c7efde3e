//! Chunks: what goes in comes out, and what is damaged is said to be.
use super::*;
use crate::pack::as_stored;
use proptest::prelude::*;
use std::collections::BTreeMap;

const START_S: i64 = 1_795_348_800;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1.0, -1e3..1e12, (0_u64..1 << 53).prop_map(|n| n as f64)].prop_map(as_stored)
}

fn summary() -> impl Strategy<Value = Summary> {
    (value(), value(), value(), 1_u64..1 << 50).prop_map(|(min, max, avg, samples)| Summary { min, max, avg, samples })
}

fn series(of: impl Strategy<Value = Summary>) -> impl Strategy<Value = Vec<(u32, Points)>> {
    let points = proptest::collection::btree_map(START_S..START_S + 7_200, of, 1..60);
    let points = points.prop_map(|map: BTreeMap<_, _>| map.into_iter().collect::<Points>());
    proptest::collection::btree_map(0_u32..500, points, 0..16).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_at_any_moments_come_back_exactly(series in series(value().prop_map(Summary::of))) {
        let bytes = encode(Columns::Value, START_S, &series);
        prop_assert_eq!(decode(&bytes, START_S, |_| true).unwrap(), series);
    }

    #[test]
    fn rollups_come_back_exactly_and_one_of_them_alone(series in series(summary()), which in 0_usize..16) {
        let bytes = encode(Columns::Summary, START_S, &series);
        prop_assert_eq!(&decode(&bytes, START_S, |_| true).unwrap(), &series);
        if let Some(one) = series.get(which) {
            prop_assert_eq!(&decode(&bytes, START_S, |id| id == one.0).unwrap(), &vec![one.clone()]);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), columns in prop_oneof![Just(1_u8), Just(4)]) {
        let checksum = crc32fast::hash(&bytes).to_le_bytes();
        let whole = [[VERSION, columns].as_slice(), &checksum, &bytes].concat();
        for bytes in [&bytes, &whole] {
            let _ = decode(bytes, START_S, |_| true);
        }
    }

    #[test]
    fn a_damaged_body_with_a_right_checksum_does_not_make_it_panic(series in series(summary()), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(Columns::Summary, START_S, &series);
        let at = HEAD_BYTES + at.index(bytes.len() - HEAD_BYTES);
        bytes[at] = byte;
        let checksum = crc32fast::hash(&bytes[HEAD_BYTES..]).to_le_bytes();
        bytes[2..HEAD_BYTES].copy_from_slice(&checksum);
        let _ = decode(&bytes, START_S, |_| true);
    }
}

#[test]
fn a_cut_or_changed_chunk_is_refused() {
    let points = |by: f64| (0..120).map(|n| (START_S + n * 60, Summary::of(n as f64 / by))).collect::<Points>();
    let whole = encode(Columns::Value, START_S, &[(1, points(7.0)), (2, points(1.0))]);
    assert!(decode(&whole, START_S, |_| true).is_ok());
    for n in 0..whole.len() {
        assert!(decode(&whole[..n], START_S, |_| true).is_err(), "cut at {n}");
        let mut changed = whole.clone();
        changed[n] ^= 0x10;
        assert!(decode(&changed, START_S, |_| true).is_err(), "changed at {n}");
    }
}

#[test]
fn what_never_changes_takes_next_to_nothing() {
    let points: Points = (0..120).map(|n| (START_S + n * 60, Summary::of(0.25))).collect();
    let series: Vec<_> = (0..16).map(|id| (id, points.clone())).collect();
    let bytes = encode(Columns::Value, START_S, &series).len();
    assert!(bytes < 170, "{bytes} bytes");
}
