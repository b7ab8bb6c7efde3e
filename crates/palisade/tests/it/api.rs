//! The API over the network: who may do what, and what is there soon after the start.

use crate::running::{Palisade, until};
use serde_json::Value;
use std::fmt::Write;

#[test]
fn metrics_and_findings_of_this_host_are_there_soon_after_the_start() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let token = palisade.token("viewer");
    let get = |path: &str| palisade.request("GET", path, Some(&token), "").json();
    until("the host is listed and online", || get("/api/v1/hosts")["items"][0]["verdict"]["word"] == "online");
    until("all guards have reported", || {
        let overview = get("/api/v1/overview");
        overview["guards_reported"]["done"] == overview["guards_reported"]["total"]
    });
    assert_eq!(get("/api/v1/hosts")["items"][0]["name"], "web-1");
    assert_eq!(get("/api/v1/practices?host=web-1")["total"], 23);
    let findings = get("/api/v1/findings?host=web-1");
    assert!(findings["checks_run"].as_u64().unwrap() >= 40, "{} checks ran", findings["checks_run"]);
    until("metrics have begun", || {
        let series = get("/api/v1/monitor/series?host=web-1&name=cpu_usage_ratio");
        series["series"][0]["points"].as_array().is_some_and(|points| points.iter().any(|p| p[1].is_number()))
    });
    assert!(get("/api/v1/inventory/processes?host=web-1")["total"].as_u64().unwrap() > 0);
    let unknown = palisade.request("GET", "/api/v1/hosts/web-2", Some(&token), "");
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["hint"].as_str().unwrap().contains("web-1"), "{}", unknown.body);
}

/// What every endpoint answers to whom, and about an object that is not theirs. The golden is the
/// list of rights: a new endpoint that anybody may call shows there.
#[test]
fn every_endpoint_lets_in_exactly_the_roles_of_the_golden_table() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let tokens = ["viewer", "operator", "admin"].map(|role| palisade.token(role));
    let foreign = Foreign::beside(&palisade, &tokens);
    let document: Value = serde_json::from_str(&palisade.ok(&["schema", "openapi"])).unwrap();
    let mut table = format!(
        "{:7}{:58}{:11}{:8}{:10}{:7}{}\n",
        "method", "path", "anonymous", "viewer", "operator", "admin", "foreign"
    );
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, about) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let ask = |token: Option<&str>| {
                let concrete = path.replace("{host}", "web-1").replace("{name}", "none").replace("{id}", "none");
                let concrete = concrete
                    .replace("{kind}", "Host")
                    .replace("{address}", "192.0.2.99")
                    .replace("{cidr}", "192.0.2.99");
                match palisade.request(&method, &concrete, token, "{\"none\":1}").status {
                    401 => "401",
                    403 => "403",
                    0 | 500.. => "BROKEN",
                    _ => "yes",
                }
            };
            let [viewer, operator, admin] = [&tokens[0], &tokens[1], &tokens[2]].map(|t| ask(Some(t)));
            let other = foreign.answer(&palisade, &method, path, about);
            let _ = writeln!(table, "{method:7}{path:58}{:11}{viewer:8}{operator:10}{admin:7}{other}", ask(None));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/permissions.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap_or_default());
    assert!(!table.contains("BROKEN") && !table.contains("GIVEN"), "{table}");
}

/// Asks for objects that are somebody else's, or nobody's.
struct Foreign<'a> {
    tokens: &'a [String; 3],
    /// A session of a user who is no caller here.
    session: String,
}

impl<'a> Foreign<'a> {
    fn beside(palisade: &Palisade, tokens: &'a [String; 3]) -> Foreign<'a> {
        let file = palisade.dir.path().join("password");
        std::fs::write(&file, "Kq7!vbTz-green\n").unwrap();
        let file = file.to_str().unwrap();
        palisade.ok(&["user", "create", "somebody", "--role", "viewer", "--password-file", file]);
        let sign_in = r#"{"name":"somebody","password":"Kq7!vbTz-green"}"#;
        assert_eq!(palisade.request("POST", "/api/v1/session", None, sign_in).status, 200);
        let all = palisade.request("GET", "/api/v1/sessions?all=true", Some(&tokens[2]), "").json();
        Foreign { tokens, session: all["items"][0]["id"].as_str().unwrap().to_owned() }
    }

    /// The refusal, `empty` for a list without anything, `GIVEN` for what must not be, and `–` where
    /// no object is named. Sessions are asked for by an operator, whom they do not belong to; all else
    /// exists for everybody or not at all, and is asked for by an admin, whom no role keeps from it.
    fn answer(&self, palisade: &Palisade, method: &str, path: &str, about: &Value) -> String {
        let parameters = about["parameters"].as_array().into_iter().flatten();
        let by_host = parameters.clone().any(|p| p["name"] == "host" && p["in"] == "query");
        let (token, concrete) = match (path.contains('{'), by_host) {
            (true, _) if path.starts_with("/api/v1/sessions/") => {
                (&self.tokens[1], path.replace("{id}", &self.session))
            }
            (true, _) => (&self.tokens[2], unknown(path)),
            (false, _) if path == "/api/v1/sessions" => (&self.tokens[1], format!("{path}?user=somebody")),
            (false, true) => (&self.tokens[2], format!("{path}?host=web-9&name=cpu_usage_ratio")),
            (false, false) => return "–".to_owned(),
        };
        let answer = palisade.request(method, &concrete, Some(token), "{}");
        match answer.status {
            400 | 403 | 404 | 409 => answer.status.to_string(),
            200 if is_empty(&answer.body) => "empty".to_owned(),
            other => format!("GIVEN {other}"),
        }
    }
}

/// The path with an object in it that does not exist.
fn unknown(path: &str) -> String {
    let part = |part: &str| match part {
        "{host}" => "web-9".to_owned(),
        "{address}" | "{cidr}" => "192.0.2.99".to_owned(),
        part if part.starts_with('{') => "none".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// A list without a row, an export without a line, a value that is not there.
fn is_empty(body: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return body.is_empty() };
    let lists = ["items", "series", "values", "processes", "data"].iter().filter_map(|list| value[list].as_array());
    let lists: Vec<_> = lists.collect();
    !lists.is_empty() && lists.iter().all(|list| list.is_empty())
}

#[test]
fn the_first_sign_in_needs_the_printed_link_which_works_once() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let token = palisade.link.split_once('#').unwrap().1;
    let welcome = |token: &str, password: &str| {
        let body = serde_json::json!({ "token": token, "name": "anna", "password": password }).to_string();
        palisade.request("POST", "/api/v1/welcome", None, &body)
    };
    assert_eq!(welcome(token, "weak").status, 400);
    assert_eq!(welcome("wrong", "Palisade-1-Test").status, 401);
    let first = welcome(token, "Palisade-1-Test");
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(welcome(token, "Palisade-1-Test").status, 401, "the link works once");
    let cookie = first.head.lines().find_map(|l| l.strip_prefix("set-cookie: ")).unwrap();
    for part in ["__Host-palisade=", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(palisade.request_with("GET", "/api/v1/overview", &[&cookie], "").status, 200);
    let csrf = format!("x-palisade-csrf: {}", first.json()["csrf"].as_str().unwrap());
    let end = |headers: &[&str]| palisade.request_with("DELETE", "/api/v1/session", headers, "").status;
    assert_eq!(end(&[&cookie]), 403, "a change by cookie alone");
    assert_eq!(end(&[&cookie, &csrf, "origin: https://evil.example"]), 403, "a change from a foreign page");
    assert_eq!(end(&[&cookie, &csrf, "origin: https://localhost"]), 204);
    assert_eq!(palisade.request_with("GET", "/api/v1/overview", &[&cookie], "").status, 401);
    let wrong = r#"{"name":"anna","password":"x"}"#;
    let statuses: Vec<u16> = (0..6).map(|_| palisade.request("POST", "/api/v1/session", None, wrong).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

#[test]
fn answers_carry_headers_that_let_a_page_load_only_what_is_ours() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let page = palisade.request("GET", "/hosts/web-1", None, "");
    assert_eq!(page.status, 200);
    for part in ["script-src 'self'", "frame-ancestors 'none'", "nosniff"] {
        assert!(page.head.contains(part), "{}", page.head);
    }
    assert_eq!(
        palisade.request("GET", "/link/v1/orders?host=web-1", None, "").status,
        404,
        "the link is not on the network"
    );
    assert_eq!(palisade.request("POST", "/link/v1/hello", None, "{}").status, 404);
}

/// An answer that comes before the request's body was read looks like a fault to HTTP/2 clients.
#[test]
fn a_refusal_reaches_a_client_that_speaks_http_2() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let authorization = format!("authorization: Bearer {}", palisade.token("viewer"));
    for _ in 0..40 {
        match http_2(&palisade, "/api/v1/plans/p-1/rollback", &["-d", "{}", "-H", &authorization]) {
            Ok(status) => assert_eq!(status, "403"),
            Err(why) => return println!("skipped: {why}"),
        }
    }
}

#[test]
fn a_body_that_is_too_large_is_answered_over_http_2_whoever_sends_it() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let file = palisade.dir.path().join("body");
    let body = format!("@{}", file.display());
    let [viewer, admin] = ["viewer", "admin"].map(|r| format!("authorization: Bearer {}", palisade.token(r)));
    // the window of an HTTP/2 stream, the limit, and the bound up to which a refused body is read
    for kib in [100, 300, 1_024, 7 * 1_024] {
        std::fs::write(&file, vec![b' '; kib << 10]).unwrap();
        let large = |status: &'static str, limit| if kib > limit { "413" } else { status };
        for (path, header, status) in [
            ("/api/v1/orders", admin.as_str(), large("400", 256)),
            ("/api/v1/orders", viewer.as_str(), "403"),
            ("/api/v1/orders", "x-nobody: 1", "401"),
            ("/api/v1/session", "x-nobody: 1", "413"),
        ] {
            match http_2(&palisade, path, &["--data-binary", &body, "-H", header]) {
                Ok(said) => assert_eq!(said, status, "{kib} KiB to {path}"),
                Err(why) => return println!("skipped: {why}"),
            }
        }
    }
    std::fs::write(&file, vec![b' '; 64 << 20]).unwrap();
    let said = http_2(&palisade, "/api/v1/orders", &["--data-binary", &body, "-H", &admin]).unwrap();
    assert!(["413", "000"].contains(&said.as_str()), "beyond the bound it may be cut: {said}");
    assert_eq!(http_2(&palisade, "/api/v1/sign-in", &[]).unwrap(), "200", "and the server lives");
}

/// The status of an answer over HTTP/2, `000` if there was none; `Err` without curl.
fn http_2(palisade: &Palisade, path: &str, more: &[&str]) -> Result<String, String> {
    let url = format!("https://{}{path}", palisade.address);
    let fixed = ["--http2", "-sk", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}", &url];
    let answer =
        std::process::Command::new("curl").args(fixed).args(more).output().map_err(|e| format!("curl: {e}"))?;
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}
