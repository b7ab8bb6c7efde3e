//! A server in a test: its own router on a real database file, with a clock that the test turns.

use crate::agent::identity::new_request;
use crate::server::access::ConnectedAt;
use crate::server::ca::{AgentPeer, SignedHost};
use crate::server::fixture::{self, SetClock, answer};
use crate::server::peer::Peer;
use crate::server::{Origin, Server, api, trust_store};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use palisade_core::{Clock, HostId, Timestamp, VerdictWord};
use palisade_guard::db::Write;
use palisade_guard::store::{self, HostFacts, HostRow};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// 2026-11-22T12:00:00Z, until a test turns it on.
const START_S: i64 = 1_795_348_800;

/// The server, its clock and its routers.
pub struct App {
    pub server: Server,
    pub clock: Arc<SetClock>,
    network: Router,
    local: Router,
    link: Router,
    _dir: tempfile::TempDir,
}

impl App {
    /// A server without hosts.
    pub async fn start() -> App {
        let dir = tempfile::tempdir().unwrap();
        let (server, clock) = fixture::server(&dir, START_S).await;
        let (network, local) = (api::network(server.clone()), api::local(server.clone()));
        let link = api::link(server.clone());
        App { server, clock, network, local, link, _dir: dir }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins a write.
    pub async fn begin(&self) -> Write {
        self.server.begin().await.unwrap()
    }

    /// A host that was just heard of, with a certificate unless it is the server's own.
    pub async fn host(&self, name: &str, own: bool) -> HostRow {
        let facts =
            HostFacts { os: "Debian GNU/Linux 13".to_owned(), permit: vec!["ban".into()], ..Default::default() };
        let row = HostRow {
            facts,
            machine: Some("aa".to_owned()),
            verdict: VerdictWord::Online,
            ..HostRow::new(host(name), self.now())
        };
        let mut tx = self.begin().await;
        let mut row = row;
        if !own {
            let signed = self.sign(&row.id);
            row.serial = Some(signed.serial.clone());
            trust_store::certificate_insert(&mut tx, &row.id, &signed, self.now()).await.unwrap();
        }
        store::host_put(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        row
    }

    fn sign(&self, host: &HostId) -> SignedHost {
        self.server.authority.sign_host(&new_request(host).unwrap().1, host, self.now()).unwrap()
    }

    /// Changes how a host was last heard of.
    pub async fn verdict(&self, name: &str, word: VerdictWord) {
        let mut tx = self.begin().await;
        store::verdict_put(&mut tx, &host(name), word, Some("said"), self.now(), self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The kinds of what was recorded, newest first.
    pub async fn events(&self) -> Vec<String> {
        let events = self.get("/api/v1/journal/events").await;
        events["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// A message of an agent on the connection of `peer`.
    pub async fn link(&self, peer: &Peer, path: &str, body: Value) -> (StatusCode, Value) {
        let row = store::host(&mut *self.begin().await, &peer.host).await.unwrap().unwrap();
        let own = AgentPeer { host: row.id, serial: row.serial.unwrap() };
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/json")
            .header("content-length", body.to_string().len())
            .extension(peer.clone())
            .extension(own)
            .body(Body::from(body.to_string()))
            .unwrap();
        answer(self.link.clone().oneshot(request).await.unwrap()).await
    }

    /// A request of root on the server's machine, over a connection made just now.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.call_since(self.now(), method, path, body).await
    }

    /// The same over a connection made at `connected_at`.
    pub async fn call_since(
        &self,
        connected_at: Timestamp,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = request(method, path, Origin::Socket, connected_at).body(Body::from(body.to_string())).unwrap();
        answer(self.local.clone().oneshot(request).await.unwrap()).await
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {body}");
        body
    }

    /// A change that must succeed.
    pub async fn change(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, said) = self.call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {said}");
        said
    }

    /// A new API token of this role.
    pub async fn token(&self, role: &str) -> String {
        let made = self.change("POST", "/api/v1/tokens", json!({ "name": role, "role": role })).await;
        made["token"].as_str().unwrap().to_owned()
    }

    /// A request over the network with a token.
    pub async fn call_as(&self, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let from = Origin::Network("203.0.113.7".parse().unwrap());
        let request = request(method, path, from, self.now())
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        answer(self.network.clone().oneshot(request).await.unwrap()).await
    }
}

fn request(method: &str, path: &str, from: Origin, connected_at: Timestamp) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .extension(ConnectInfo(from))
        .extension(ConnectedAt(connected_at))
}

pub fn host(name: &str) -> HostId {
    name.parse().unwrap()
}
