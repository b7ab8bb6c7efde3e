//! What a Probe may say, and what is refused.
#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::{Value, json};

fn checked(spec: Value) -> Result<ProbeSpec, String> {
    let spec: ProbeSpec = serde_json::from_value(spec).unwrap();
    spec.checked().map_err(|error| format!("{}: {}", error.path().unwrap_or_default(), error.message()))
}

fn target(kind: &str, target: &str) -> Option<String> {
    checked(json!({ "type": kind, "target": target })).ok().map(|spec| spec.target)
}

#[test]
fn a_target_is_what_its_type_looks_at() {
    for (kind, given, expected) in [
        ("icmp", "203.0.113.7", Some("203.0.113.7")),
        ("icmp", "Web.Example.org.", Some("web.example.org")),
        ("icmp", "127.1", None),
        ("icmp", "a b", None),
        ("tcp", "db.example.org:5432", Some("db.example.org:5432")),
        ("tcp", "[2001:DB8::1]:22", Some("[2001:db8::1]:22")),
        ("tcp", "db.example.org", None),
        ("tcp", "db.example.org:0", None),
        ("tcp", "u@db.example.org:1", None),
        ("tls", "www.example.org", Some("www.example.org:443")),
        ("tls", "2001:db8::1", Some("[2001:db8::1]:443")),
        ("http", "https://www.example.org/health?x=1", Some("https://www.example.org/health?x=1")),
        ("http", "http://203.0.113.7:8080", Some("http://203.0.113.7:8080/")),
        ("http", "ftp://www.example.org/", None),
        ("http", "/health", None),
        ("http", "http://u:p@www.example.org/", None),
        ("http", "http://0x7f000001/", None),
        ("dns", "WWW.example.org.", Some("www.example.org")),
        ("dns", "a..b", None),
    ] {
        assert_eq!(target(kind, given).as_deref(), expected, "{kind} {given}");
    }
}

#[test]
fn what_does_not_belong_to_a_type_is_refused_and_named() {
    let refused = |more: Value| {
        let mut spec = json!({ "type": "tcp", "target": "a.example.org:1" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        checked(spec).unwrap_err()
    };
    assert_eq!(refused(json!({ "expect": { "status": 200 } })), "spec.expect.status: only a probe of type http has it");
    assert_eq!(refused(json!({ "verify": false })), "spec.verify: only a probe of type http or tls has it");
    assert!(refused(json!({ "interval": "9s" })).starts_with("spec.interval: `9s` is not between"));
    assert!(refused(json!({ "interval": "10s", "timeout": "6s" })).starts_with("spec.timeout: `6s` is more than 5s"));
    assert!(checked(json!({ "type": "tls", "target": "a.example.org", "ca_pem": "nonsense" })).is_err());
    assert!(checked(json!({ "type": "dns", "target": "a.example.org", "server": "ns.example.org" })).is_err());
}

#[test]
fn the_normal_form_of_a_normal_form_is_itself() {
    for spec in [
        json!({ "type": "dns", "target": "a.example.org", "server": "2001:db8::53", "expect": { "address": "203.0.113.7" } }),
        json!({ "type": "http", "target": "http://a.example.org", "interval": "60s" }),
    ] {
        let once = checked(spec).unwrap();
        assert_eq!(checked(json!(once)).unwrap(), once);
    }
}
