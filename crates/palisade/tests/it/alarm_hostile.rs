//! Documents and questions that are wrong, huge or mean: refused with the place and a way out, while
//! the server goes on.

use crate::running::{Palisade, until};
use std::time::{Duration, Instant};

/// No refusal may take longer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said when a document is applied that must be refused.
fn refused(palisade: &Palisade, document: &str) -> String {
    let file = palisade.dir.path().join("document.yaml");
    std::fs::write(&file, document).unwrap();
    let start = Instant::now();
    let output = palisade.command(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown: String = document.chars().take(300).collect();
    assert!(!output.status.success(), "it was taken: {shown}");
    assert!(start.elapsed() < PATIENCE, "{:?}: {shown}", start.elapsed());
    assert!(said.starts_with("error:") && !said.contains("internal"), "{shown}: {said}");
    said
}

fn rule(name: &str, policy: &str) -> String {
    format!("kind: AlarmRule\nname: {name}\nspec: {{ policies: [ {{ {policy} }} ] }}\n")
}

#[test]
fn wrong_huge_and_mean_documents_are_refused_with_their_place_and_the_server_goes_on() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let pid = palisade.server_pid();
    let metric = |metric: &str, rest: &str| rule("r", &format!("metric: {metric}, operator: \">\", {rest}"));
    let bomb = "(((a{500}){500}){500}){500}";
    let many =
        (0..2_000).map(|n| rule(&format!("r-{n}"), "metric: load1, operator: \">\", threshold: 1")).collect::<Vec<_>>();
    let policies = vec!["{ metric: load1, operator: \">\", threshold: 1 }"; 51].join(", ");
    let channel = |template: &str| {
        format!(
            "kind: NotificationChannel\nname: c\nspec: {{ type: webhook, url: \"https://hooks.example.org/\", template: {template} }}\n"
        )
    };
    let mut unclear = Vec::new();
    for (document, expected) in [
        (metric("cpu_usag_ratio", "threshold: 0.5"), "did you mean `cpu_usage_ratio`"),
        (metric("cpu_usage_ratio", "threshold: 90"), "write 0.9"),
        (metric("cpu_usage_ratio", "threshold: .nan"), "finite"),
        (metric("cpu_usage_ratio", "threshold: .inf"), "finite"),
        (metric("cpu_usage_ratio", "threshold: 1e999"), "finite"),
        (metric("cpu_usage_ratio", "threshold: -1"), "threshold"),
        (metric("cpu_usage_ratio", "threshold: 0.5, count: 181"), "1 to 180"),
        (metric("cpu_usage_ratio", "threshold: 0.5, recover: 0.6"), "at most the threshold"),
        (metric("cpu_usage_ratio", "threshold: 0.5, labels: { mount: / }"), "no label `mount`"),
        (metric("cpu_usage_ratio", "threshold: 0.5, treshold: 0.4"), "treshold"),
        (metric("disk_used_ratio", &format!("threshold: 0.5, labels: {{ mount: \"=~{bomb}\" }}")), "labels.mount"),
        (metric("disk_used_ratio", "threshold: 0.5, labels: { mount: \"=~(\" }"), "labels.mount"),
        (format!("kind: AlarmRule\nname: r\nspec: {{ policies: [ {policies} ] }}\n"), "more than 50"),
        ("kind: AlarmRule\nname: r\nspec: {}\n".to_owned(), "nothing that makes an alarm"),
        ("kind: AlarmRule\nname: r\nspec: { template: not-there }\n".to_owned(), "not-there"),
        (many.join("---\n"), "1000"),
        (format!("kind: ProcessWatch\nname: w\nspec: {{ scope: {{}}, command: \"{bomb}\" }}\n"), "regular expression"),
        (
            format!(
                "kind: NotificationPolicy\nname: p\nspec: {{ match: {{ labels: {{ host: \"=~{bomb}\" }} }}, channels: [c] }}\n"
            ),
            "match.labels",
        ),
        (channel("{ title: \"{{ secret }}\" }"), "secret"),
        (channel("{ title: \"{{ labels.\" }"), "template"),
        (channel("{ title: \"{% for x in y %}{{ x.y() }}\" }"), "template"),
        (channel(&format!("{{ title: \"{}\" }}", "x".repeat(100_000))), "template"),
        ("kind: Silence\nname: s\nspec: { match: {}, until: never, reason: x }\n".to_owned(), "until"),
        ("kind: Sampling\nname: s\nspec: { scope: {}, interval: 10ms }\n".to_owned(), "interval"),
    ] {
        let said = refused(&palisade, &document);
        if !said.contains(expected) {
            unclear.push(format!("{expected}: {said}"));
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let token = palisade.token("viewer");
    let deep = format!("{}1{}", "(".repeat(3_000), ")".repeat(3_000));
    let long = format!("{}1", "1+".repeat(3_000));
    for query in [
        deep.as_str(),
        long.as_str(),
        "count_over_time({__name__=~\".+\"}[10y:1s])",
        "max_over_time(max_over_time(max_over_time(load1[400d:1m])[400d:1m])[400d:1m])",
        "{host=~\"(((a{500}){500}){500}){500}\"}",
        "label_replace(load1, \"a\", \"$1\", \"host\", \"(((a{500}){500}){500}){500}\")",
        "\u{0}\u{1b}[31m",
    ] {
        let start = Instant::now();
        let form = format!("query={}", query.bytes().map(|b| format!("%{b:02x}")).collect::<String>());
        let path = format!("/api/v1/monitor/prometheus/api/v1/query?{form}");
        let answer = palisade.request("GET", &path, Some(&token), "");
        assert!((200..500).contains(&answer.status), "{query}: {} {}", answer.status, answer.body);
        assert!(start.elapsed() < PATIENCE, "{query}: {:?}", start.elapsed());
    }
    until("the server still answers", || {
        palisade.request("GET", "/api/v1/monitor/rules", Some(&token), "").status == 200
    });
    assert_eq!(palisade.server_pid(), pid, "it is the same process");
}
