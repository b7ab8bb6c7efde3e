//! A server without a network for tests: its router on a database file, with a clock that is set.
//! [`server`] is what all of them begin with.
#![allow(clippy::unwrap_used)]

use super::access::{COOKIE, ConnectedAt, Origin};
use super::ca::Authority;
use super::{Server, api, open};
use crate::config::{Config, ConfigArgs, RunArgs};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use palisade_core::{Clock, Timestamp};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use tower::ServiceExt;

/// A password that keeps the rule.
pub const PASSWORD: &str = "Kq7!vbTz-green";
const HERE: &str = "192.0.2.10";

/// The server under test.
pub struct Bench {
    pub server: Server,
    pub clock: Arc<SetClock>,
    router: Router,
    dir: TempDir,
}

/// A clock that stands until it is moved.
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Moves it on.
    pub fn pass_s(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// A server on a directory that may hold the state of one before, at a moment.
pub async fn server(dir: &TempDir, second: i64) -> (Server, Arc<SetClock>) {
    let args = ConfigArgs { config: Some("/dev/null".into()), data_dir: Some(dir.path().join("data")) };
    let config = Config::load(&args, &RunArgs::default()).unwrap();
    std::fs::create_dir_all(config.server_dir()).unwrap();
    let mut server = open(&config.server_dir(), &config, Authority::open(&config).unwrap()).await.unwrap();
    let clock = Arc::new(SetClock(AtomicI64::new(second)));
    server.context.clock = clock.clone();
    server.started_at = clock.now();
    // the clock of the start was the machine's own
    server.access = Arc::new(super::access::Access::load(&server.context.db, clock.now()).await.unwrap());
    (server, clock)
}

/// Status and body of an answer: JSON, else text, null if there is none.
pub async fn answer(response: axum::response::Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    (status, body)
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// The session's cookie, if one was set.
    cookie: Option<String>,
}

impl Answer {
    /// The stable word of an error.
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// A browser that may be signed in, at an address.
#[derive(Debug, Clone)]
pub struct Browser {
    pub address: IpAddr,
    cookie: Option<String>,
    csrf: String,
    /// Asks as a page does by itself, with nobody there.
    pub background: bool,
}

impl Bench {
    /// On a new directory, with the admin `root-1`; its browser too.
    pub async fn with_admin() -> (Bench, Browser) {
        let bench = Bench::on(tempfile::tempdir().unwrap(), 1_800_000_000).await;
        let mut browser = Browser::at(HERE);
        let link = bench.local("POST", "/api/v1/user-links", json!({})).await;
        let token = link.body["path"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
        let wanted = json!({ "token": token, "name": "root-1", "password": PASSWORD });
        let made = bench.ask(&mut browser, "POST", "/api/v1/welcome", wanted).await;
        assert_eq!(made.status, 200, "{made:?}");
        (bench, browser)
    }

    /// On a directory that may hold the state of one before.
    pub async fn on(dir: TempDir, second: i64) -> Bench {
        let (server, clock) = server(&dir, second).await;
        Bench { router: api::network(server.clone()), server, clock, dir }
    }

    /// Ends the server and starts one on the same directory.
    pub async fn restarted(self) -> Bench {
        let second = self.clock.now().as_second();
        self.server.context.db.read().close().await;
        Bench::on(self.dir, second).await
    }

    /// A user with [`PASSWORD`], made over the local socket.
    pub async fn user(&self, name: &str, role: &str) {
        let made = self.local("POST", "/api/v1/users", json!({ "name": name, "role": role, "password": PASSWORD }));
        assert_eq!(made.await.status, 201);
    }

    /// A new browser, signed in.
    pub async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = Browser::at(HERE);
        let answer = self.sign_in(&mut browser, json!({ "name": name, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        browser
    }

    /// Tries to sign in.
    pub async fn sign_in(&self, browser: &mut Browser, wanted: Value) -> Answer {
        self.ask(browser, "POST", "/api/v1/session", wanted).await
    }

    /// Asks as a browser does; it keeps the cookie that it is given.
    pub async fn ask(&self, browser: &mut Browser, method: &str, path: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("x-palisade-csrf", &browser.csrf);
        if browser.background {
            request = request.header("x-palisade-background", "1");
        }
        if let Some(cookie) = &browser.cookie {
            request = request.header(header::COOKIE, format!("{COOKIE}={cookie}"));
        }
        let answer = self.send(request, Origin::Network(browser.address), body).await;
        if let Some(cookie) = &answer.cookie {
            browser.cookie = Some(cookie.clone());
            browser.csrf = answer.body["csrf"].as_str().unwrap_or_default().to_owned();
        }
        answer
    }

    /// The body of an answer that may be endless.
    pub async fn open(&self, browser: &Browser, path: &str) -> Body {
        let cookie = format!("{COOKIE}={}", browser.cookie.as_deref().unwrap_or_default());
        let request = Request::get(path).header(header::COOKIE, cookie);
        let request = request.extension(ConnectInfo(Origin::Network(browser.address)));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body()
    }

    /// Asks as root does on the same machine.
    pub async fn local(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(Request::builder().method(method).uri(path), Origin::Socket, body).await
    }

    /// The kinds of the newest audit events, newest first.
    pub async fn audited(&self) -> Vec<String> {
        let audit = self.local("GET", "/api/v1/audit?limit=1000", Value::Null).await;
        audit.body["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    }

    async fn send(&self, request: axum::http::request::Builder, origin: Origin, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ConnectInfo(origin))
            .extension(ConnectedAt(self.clock.now()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let set = response.headers().get(header::SET_COOKIE).map(|v| v.to_str().unwrap().to_owned());
        let cookie = set.map(|set| set.split(['=', ';']).nth(1).unwrap().to_owned());
        let (status, body) = answer(response).await;
        Answer { status: status.as_u16(), body, cookie }
    }
}

impl Browser {
    /// A new one, not signed in.
    pub fn at(address: &str) -> Browser {
        Browser { address: address.parse().unwrap(), cookie: None, csrf: String::new(), background: false }
    }
}
