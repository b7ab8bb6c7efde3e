//! Renewal, against a server in this process.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::identity::new_request;
use crate::server::ca::tests::{config, days, host, start};
use crate::server::ca::{Authority, subject};
use crate::server::open;
use axum::body::Body as HttpBody;
use axum::http::{Request, header};
use palisade_core::Clock;
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tower::ServiceExt;

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A journal that keeps what it is told.
#[derive(Default)]
struct Kept(Mutex<Vec<Event>>);

impl RecordEvent for Kept {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        self.0.lock().unwrap().push(event.clone());
        Box::pin(async { Ok(()) })
    }
}

struct Fleet {
    server: Server,
    journal: Arc<Kept>,
    _dir: TempDir,
}

impl Fleet {
    async fn new() -> Fleet {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let authority = Authority::open_at(&config, start()).unwrap();
        let mut server = open(&config.server_dir(), &config, authority).await.unwrap();
        let journal = Arc::<Kept>::default();
        (server.context.clock, server.context.journal) = (Arc::new(Fixed(start())), journal.clone());
        Fleet { server, journal, _dir: dir }
    }

    /// A host that has joined, with its certificate.
    async fn join(&self, name: &str) -> AgentPeer {
        let id: HostId = name.parse().unwrap();
        let signed = self.server.authority.sign_host(&new_request(&id).unwrap().1, &id, start()).unwrap();
        let mut tx = self.server.begin().await.unwrap();
        certificates::certificate_insert(&mut tx, &id, &signed, start()).await.unwrap();
        let mut row = HostRow::new(id.clone(), start());
        row.serial = Some(signed.serial.clone());
        store::host_put(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        AgentPeer { host: id, serial: signed.serial }
    }

    /// The status, and the peer of the certificate that came with it.
    async fn renew(&mut self, peer: &AgentPeer, claimed: &str, now: Timestamp) -> (u16, Option<AgentPeer>) {
        self.server.context.clock = Arc::new(Fixed(now));
        let csr = new_request(&peer.host).unwrap().1;
        let body = serde_json::json!({ "host": claimed, "csr": csr }).to_string();
        let request = Request::post("/link/v1/renew").header(header::CONTENT_TYPE, "application/json");
        let router = router().with_state(self.server.clone()).layer(Extension(peer.clone()));
        let response = router.oneshot(request.body(HttpBody::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let renewed: Option<Renewed> = serde_json::from_slice(&bytes).ok();
        let chain = renewed.map(|r| crate::link::http::pem_certificates(&r.chain).unwrap());
        (status, chain.map(|chain| subject(&chain[0]).unwrap()))
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_only_two_certificates_count() {
    let mut fleet = Fleet::new().await;
    let first = fleet.join("web-1").await;
    let (status, lost) = fleet.renew(&first, "web-1", days(20)).await;
    assert_eq!((status, &lost.as_ref().unwrap().host), (200, &host()));
    let (status, second) = fleet.renew(&first, "web-1", days(21)).await;
    assert_eq!(status, 200);
    let (lost, second) = (lost.unwrap(), second.unwrap());
    assert_eq!(fleet.renew(&lost, "web-1", days(22)).await.0, 403, "the answer that was lost counts no more");
    let (status, third) = fleet.renew(&second, "web-1", days(22)).await;
    assert_eq!(status, 200);
    assert_eq!(fleet.renew(&first, "web-1", days(23)).await.0, 403, "two before the newest");
    let mut db = fleet.server.context.db.read().acquire().await.unwrap();
    let row = store::host(&mut db, &host()).await.unwrap().unwrap();
    assert_eq!(row.serial, Some(third.unwrap().serial));
    let all = certificates::certificates_of(&mut db, &host()).await.unwrap();
    assert_eq!(all.iter().filter(|c| c.revoked_at.is_none()).count(), 2);
}

#[tokio::test]
async fn what_does_not_belong_to_the_fleet_gets_nothing_and_it_is_written_down() {
    let mut fleet = Fleet::new().await;
    let (web, db) = (fleet.join("web-1").await, fleet.join("db-1").await);
    assert_eq!(fleet.renew(&web, "db-1", days(20)).await.0, 403, "for another host");
    let mixed = AgentPeer { host: web.host.clone(), serial: db.serial.clone() };
    assert_eq!(fleet.renew(&mixed, "web-1", days(20)).await.0, 403, "another host's serial number");
    let stranger = AgentPeer { host: "web-9".parse().unwrap(), serial: "41".to_owned() };
    assert_eq!(fleet.renew(&stranger, "web-9", days(20)).await.0, 403);
    for standing in [palisade_core::Standing::Retired, palisade_core::Standing::Revoked] {
        let mut tx = fleet.server.begin().await.unwrap();
        let mut row = store::host(&mut tx, &web.host).await.unwrap().unwrap();
        row.standing = standing;
        store::host_put(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(fleet.renew(&web, "web-1", days(20)).await.0, 403, "{}", standing.as_str());
    }
    assert_eq!(fleet.renew(&db, "db-1", days(20)).await.0, 200);
    let events = fleet.journal.0.lock().unwrap();
    let outcomes: Vec<_> = events.iter().map(|e| (e.outcome, e.audit)).collect();
    assert_eq!(outcomes, [vec![(Outcome::Refused, true); 5], vec![(Outcome::Success, true)]].concat());
}

#[tokio::test]
async fn a_host_that_asks_without_end_is_stopped() {
    let mut fleet = Fleet::new().await;
    let mut peer = fleet.join("web-1").await;
    for _ in 0..ISSUED_MAX {
        peer = fleet.renew(&peer, "web-1", days(20)).await.1.unwrap();
    }
    assert_eq!(fleet.renew(&peer, "web-1", days(20)).await.0, 429);
    assert_eq!(fleet.renew(&peer, "web-1", days(21)).await.0, 200);
}

#[tokio::test]
async fn a_new_epoch_is_proven_and_every_spec_begins_again_in_it() {
    let fleet = Fleet::new().await;
    let (host, mut tx) = (host(), fleet.server.begin().await.unwrap());
    for _ in 0..3 {
        store::generations_raise(&mut tx, std::slice::from_ref(&host), "firewall").await.unwrap();
    }
    assert_eq!(store::epoch(&mut tx).await.unwrap(), 1);
    let proof = fleet.server.authority.sign_epoch(2).unwrap();
    store::epoch_raise(&mut tx, &proof).await.unwrap();
    let generation = store::generation(&mut tx, &host, "firewall").await.unwrap();
    assert_eq!(generation.to_string(), "2.1");
    let new = store::generations_raise(&mut tx, &["db-1".parse().unwrap()], "firewall").await.unwrap();
    assert_eq!(new[0].1.to_string(), "2.1", "a host that had no spec before");
    assert_eq!(store::epoch_proof(&mut tx).await.unwrap(), Some(proof));
}
