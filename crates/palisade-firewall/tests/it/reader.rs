//! The nf_tables reader against what `nft` made, in namespaces of the test's own.

use crate::sandbox::{ban, bans, converge, entered, firewall, nft};
use palisade_firewall::ruleset::table;
use palisade_sandbox::Child;
use palisade_sys::nft::{Base, Batch, Element, Expr, Family, Reader, SetKey, TableName, Verdict, Writer, intervals_of};

fn name(family: Family, name: &str) -> TableName {
    TableName { family, name: name.to_owned() }
}

#[test]
fn tables_chains_and_rules_of_other_tools_are_read() {
    if !entered() {
        return;
    }
    nft("add table ip nat");
    nft("add chain ip nat POSTROUTING { type nat hook postrouting priority 100 ; }");
    nft("add rule ip nat POSTROUTING masquerade");
    nft("add table inet filter { flags dormant ; }");
    nft("add chain inet filter input { type filter hook input priority -5 ; policy drop ; }");
    nft("add chain inet filter helper");
    nft("add rule inet filter input iif lo accept");
    nft("add rule inet filter input tcp dport { 22, 80 } counter accept");
    let mut reader = Reader::open().unwrap();
    let mut tables: Vec<_> = reader.tables().unwrap().into_iter().map(|t| (t.name.to_string(), t.flags)).collect();
    tables.sort();
    assert_eq!(tables, [("inet filter".to_owned(), 1), ("ip nat".to_owned(), 0)]);
    let chains = reader.chains().unwrap();
    let input = chains.iter().find(|c| c.name == "input").unwrap();
    let base = Base { kind: "filter".to_owned(), hook: 1, priority: -5, accepts: false };
    assert_eq!((input.base.as_ref(), input.hook().as_deref()), (Some(&base), Some("input")));
    assert_eq!(chains.iter().find(|c| c.name == "POSTROUTING").unwrap().hook().as_deref(), Some("postrouting"));
    assert!(chains.iter().find(|c| c.name == "helper").unwrap().base.is_none());
    let counts = reader.rule_counts().unwrap();
    assert_eq!(counts[&(name(Family::Inet, "filter"), "input".to_owned())], 2);
    let rules = reader.rules(&name(Family::Inet, "filter")).unwrap();
    let interface = Expr::Equals(1u32.to_ne_bytes().to_vec());
    assert_eq!(rules[0].exprs, [Expr::InterfaceIn, interface, Expr::Verdict(Verdict::Accept)]);
    assert_eq!(rules[1].counted(), Some((0, 0)));
    assert!(rules[1].exprs.contains(&Expr::Protocol), "{:?}", rules[1].exprs);
    let sets = reader.sets(&name(Family::Inet, "filter")).unwrap();
    assert!(sets[0].key == SetKey::Port, "the anonymous set of ports: {sets:?}");
    assert!(
        reader.elements(&name(Family::Inet, "filter"), &sets[0].name).unwrap().is_empty(),
        "ports are no addresses"
    );
}

#[test]
fn ranges_that_nft_writes_are_read_as_ranges() {
    if !entered() {
        return;
    }
    nft("add table inet t");
    nft("add set inet t s { type ipv4_addr ; flags interval, timeout ; }");
    nft("add element inet t s { 10.0.0.0/24 timeout 1h , 10.0.1.0/24 timeout 2h , 192.0.2.7 , 240.0.0.0/4 }");
    let mut reader = Reader::open().unwrap();
    let intervals = intervals_of(reader.elements(&name(Family::Inet, "t"), "s").unwrap());
    let ranges: Vec<_> = intervals.iter().map(|i| format!("{}-{}", i.first, i.last)).collect();
    let expected = ["10.0.0.0-10.0.0.255", "10.0.1.0-10.0.1.255", "192.0.2.7-192.0.2.7", "240.0.0.0-255.255.255.255"];
    assert_eq!(ranges, expected);
    assert!(intervals[0].timeout_ms.is_some_and(|ms| (3_590_000..=3_600_000).contains(&ms)), "{intervals:?}");
    assert_eq!(intervals[2].timeout_ms, None);
}

#[test]
fn an_absent_table_is_not_found_and_the_reader_goes_on() {
    if !entered() {
        return;
    }
    let mut reader = Reader::open().unwrap();
    let error = reader.elements(&table(), "ban4").unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(reader.rules(&table()).unwrap_or_default().is_empty());
    assert!(reader.tables().unwrap().is_empty());
}

#[test]
fn the_generation_rises_with_a_change_and_not_with_looking_or_timing_out() {
    if !entered() {
        return;
    }
    let mut reader = Reader::open().unwrap();
    let firewall = firewall(&[]);
    let short = std::time::Duration::from_millis(600);
    converge(&firewall, &bans([ban("203.0.113.9", Some(short)), ban("203.0.113.10", None)]));
    let before = reader.generation().unwrap();
    let began = std::time::Instant::now();
    while reader.elements(&table(), "ban4").unwrap().len() > 1 {
        assert!(began.elapsed().as_secs() < 60, "it does not time out");
    }
    assert_eq!(reader.generation().unwrap(), before);
    nft("add table inet other");
    assert!(reader.generation().unwrap() > before);
}

#[test]
fn a_listing_that_somebody_keeps_changing_is_refused_and_not_torn() {
    if !entered() {
        return;
    }
    let mut reader = Reader::open().unwrap();
    let mut writer = Writer::open().unwrap();
    let torn = reader.consistent(|reader| {
        let mut batch = Batch::new();
        batch.add_table(&name(Family::Inet, "other"));
        batch.delete_table(&name(Family::Inet, "other"));
        writer.commit(batch).unwrap();
        reader.tables()
    });
    assert!(torn.unwrap_err().to_string().contains("nftables"));
    let (generation, tables) = reader.consistent(Reader::tables).unwrap();
    assert_eq!((generation, tables), (reader.generation().unwrap(), Vec::new()));
}

#[test]
fn what_vanishes_during_a_listing_is_no_error() {
    if !entered() {
        return;
    }
    converge(&firewall(&[]), &bans([ban("203.0.113.9", None)]));
    let mut tries = 0;
    let listed = Reader::open().unwrap().consistent(|reader| {
        tries += 1;
        let tables = reader.tables()?;
        if tries == 1 {
            nft("delete table inet palisade");
        }
        tables.iter().map(|t| reader.elements(&t.name, "ban4")).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!((listed.unwrap().1.len(), tries), (0, 2));
}

#[test]
fn a_listing_while_a_hash_grows_misses_nothing() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    converge(&firewall, &bans([ban("203.0.113.9", None)]));
    let mut reader = Reader::open().unwrap();
    let addresses: Vec<Element> =
        (0..50_000u32).map(|n| Element::address(std::net::Ipv4Addr::from(0x0a00_0000 + n).into(), None)).collect();
    for part in addresses.chunks(5_000) {
        let mut batch = Batch::new();
        batch.add_elements(&table(), "ban4", part);
        Writer::open().unwrap().commit(batch).unwrap();
        let had = reader.elements(&table(), "ban4").unwrap();
        assert!(part.iter().all(|e| had.binary_search_by_key(&e.key, |h| h.key).is_ok()), "a listing misses some");
    }
    assert_eq!(reader.elements(&table(), "ban4").unwrap().len(), 50_001);
}

#[test]
fn a_batch_beyond_the_default_send_buffer_is_one_transaction() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    converge(&firewall, &bans([ban("203.0.113.9", None)]));
    let mut batch = Batch::new();
    let addresses: Vec<Element> =
        (0..60_000u32).map(|n| Element::address(std::net::Ipv4Addr::from(0x0a00_0000 + n).into(), None)).collect();
    batch.add_elements(&table(), "ban4", &addresses);
    batch.add_elements(&table(), "no-such-set", &addresses[..1]);
    assert!(batch.len_bytes() > 4 * 212_992, "{} bytes", batch.len_bytes());
    let error = Writer::open().unwrap().commit(batch).unwrap_err().to_string();
    assert!(error.contains("adding 1 elements, set `no-such-set` (message 61 of 61; nothing was changed)"), "{error}");
    assert_eq!(Reader::open().unwrap().elements(&table(), "ban4").unwrap().len(), 1);
}

#[test]
fn without_the_right_the_kernel_says_so() {
    if !entered() {
        return;
    }
    let child = Child::start(|| {
        // SAFETY: a system call without pointers, in a child that ends right after.
        assert_eq!(unsafe { libc::setresuid(65_534, 65_534, 65_534) }, 0);
        assert!(Reader::open().unwrap().tables().unwrap_err().is_denied());
        let mut batch = Batch::new();
        batch.add_table(&table());
        assert!(Writer::open().unwrap().commit(batch).unwrap_err().is_denied());
    });
    assert!(child.wait(), "see the child's panic above");
}
