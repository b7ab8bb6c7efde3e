//! What is counted of looks, and which findings a list holds.

use crate::database::{Base, at, finding, host, host_put, look};
use palisade_core::{Generation, Severity, Standing, VerdictWord};
use palisade_guard::store::{self, FindingFilter, FindingOrder};

#[tokio::test]
async fn a_look_that_fails_keeps_what_was_found_and_counts_no_check() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    let web = host("web-1");
    store::look_put(&mut tx, &web, &look(0, vec![finding("web-1", "firewall.a", Severity::High)])).await.unwrap();
    let blind = store::LookReport { error: Some("no netlink".to_owned()), runs: Vec::new(), ..look(60, Vec::new()) };
    store::look_put(&mut tx, &web, &blind).await.unwrap();
    let seen = store::freshness(&mut tx, &web).await.unwrap().remove(0);
    let practice = seen.tally.practices["port-security"];
    assert_eq!((seen.tally.open(), practice.runs, practice.open[1]), (1, 0, 1));
    store::look_put(&mut tx, &web, &look(120, Vec::new())).await.unwrap();
    assert_eq!(store::freshness(&mut tx, &web).await.unwrap()[0].tally.open(), 0, "it is mended");
}

#[tokio::test]
async fn findings_are_sorted_by_severity_and_those_out_of_service_are_left_out() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    for (name, severity) in
        [("web-1", Severity::Low), ("web-2", Severity::Critical), ("web-3", Severity::High), ("web-4", Severity::High)]
    {
        host_put(&mut tx, name, VerdictWord::Online).await;
        store::look_put(&mut tx, &host(name), &look(0, vec![finding(name, "firewall.a", severity)])).await.unwrap();
    }
    let mut retired = store::host(&mut tx, &host("web-3")).await.unwrap().unwrap();
    retired.standing = Standing::Retired;
    store::host_put(&mut tx, &retired).await.unwrap();
    let worst_first = (FindingOrder::Severity, true);
    let of = async |db: &mut sqlx::SqliteConnection, filter: &FindingFilter, page| {
        let (rows, total) = store::findings(db, filter, worst_first, page).await.unwrap();
        (rows.into_iter().map(|row| row.finding.host.to_string()).collect::<Vec<_>>(), total)
    };
    let all = FindingFilter { mended_since: at(0), ..FindingFilter::default() };
    assert_eq!(of(&mut tx, &all, (2, 0)).await, (vec!["web-2".to_owned(), "web-4".to_owned()], 3));
    assert_eq!(of(&mut tx, &all, (2, 2)).await, (vec!["web-1".to_owned()], 3));
    let own = FindingFilter { host: Some(host("web-3")), ..all.clone() };
    assert_eq!(of(&mut tx, &own, (9, 0)).await.1, 1, "asked for by name");
    let words = FindingFilter { words: vec!["NC".to_owned(), "4444".to_owned()], ..all.clone() };
    assert_eq!(of(&mut tx, &words, (9, 0)).await.1, 3);
    let words = FindingFilter { words: vec!["5555".to_owned()], ..all };
    assert_eq!(of(&mut tx, &words, (9, 0)).await.1, 0);
}

#[tokio::test]
async fn changes_reach_the_hosts_in_service_that_have_an_agent() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    for (name, standing, kind) in [
        ("web-1", Standing::Active, palisade_core::HostKind::Agent),
        ("web-2", Standing::Retired, palisade_core::HostKind::Agent),
        ("web-3", Standing::Revoked, palisade_core::HostKind::Agent),
        ("router", Standing::Active, palisade_core::HostKind::Agentless),
    ] {
        let row = store::HostRow { standing, kind, ..store::HostRow::new(host(name), at(0)) };
        store::host_put(&mut tx, &row).await.unwrap();
    }
    assert_eq!(store::hosts_in_service(&mut tx).await.unwrap(), [host("web-1")]);
}

#[tokio::test]
async fn the_generations_of_many_hosts_are_raised_at_once() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    let hosts: Vec<_> = (0..2_500).map(|n| host(&format!("web-{n}"))).collect();
    store::generations_raise(&mut tx, &hosts[..1], "firewall").await.unwrap();
    let raised = store::generations_raise(&mut tx, &hosts, "firewall").await.unwrap();
    assert_eq!(raised.len(), 2_500);
    assert!(raised.iter().all(|(host, generation)| generation.n == if *host == hosts[0] { 2 } else { 1 }));
    let newest = store::generations(&mut tx, &hosts[..2]).await.unwrap();
    assert_eq!(newest[&hosts[0]], Generation { epoch: 1, n: 2 });
}
