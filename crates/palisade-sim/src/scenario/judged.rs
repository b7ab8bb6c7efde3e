//! Alarms of simulated hosts: whether they are what the frames give, once the server has settled.

use super::{Row, number, row};
use crate::host::Host;
use crate::local::Local;
use crate::sink::Sink;
use crate::verdict::{self, Alarms, NAME};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the server may take to judge and tell what it has.
const SETTLE_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Alarms on one page of the list.
const PAGE: usize = 1_000;
/// The list is made of so many alarms at most.
const ALARMS_MAX: usize = 20_000;
/// Firings that one back-test may answer with.
const FIRINGS_MAX: usize = 500;
/// Differences that are told in words.
const SHOWN: usize = 10;

/// The alarms that the frames of these hosts give.
pub fn expected(hosts: &[Host]) -> Result<Alarms> {
    let mut all = Alarms::new();
    hosts.iter().for_each(|host| verdict::add_expected(host.identity.host.as_str(), &host.frames(), &mut all));
    if all.is_empty() || all.len() > ALARMS_MAX {
        bail!("{} alarms: it must be 1 to {ALARMS_MAX}; choose other hosts, steps or times", all.len());
    }
    Ok(all)
}

/// Rows, once everything is as it must be; an error when it does not become so.
pub async fn settled(local: &Local, hosts: &[Host], sink: &Sink) -> Result<Vec<Row>> {
    let expected = expected(hosts)?;
    let begun = Instant::now();
    loop {
        let wrong = wrong(local, &expected, sink).await?;
        if wrong.is_empty() {
            break;
        }
        if begun.elapsed() > SETTLE_MAX {
            let shown: Vec<_> = wrong.iter().take(SHOWN).collect();
            bail!("{} things about alarms are wrong: {shown:#?}", wrong.len());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let fired = backtested(local, hosts, &expected).await?;
    let heard = sink.heard();
    let (_, unseen) = verdict::told(&expected, &heard);
    let ended = expected.values().flatten().count();
    Ok(vec![
        row(
            "alarms by the frames = listed = back-tested, beginning and end",
            format!("{} = {0} = {}", number(expected.len() as u64), number(fired)),
            "equal",
        ),
        row("of them over", number(ended as u64), ""),
        row(
            "told; over before anybody was told",
            format!("{}, {}", number(heard.alarms.len() as u64), number(unseen)),
            "",
        ),
        row("told twice as new, or last told what is not so", "0", "0"),
        row(
            "messages; sent again with the same key",
            format!("{}, {}", number(heard.messages()), number(heard.repeats)),
            "",
        ),
        row("refused; taken without an answer", format!("{}, {}", number(heard.refused), number(heard.unanswered)), ""),
    ])
}

async fn wrong(local: &Local, expected: &Alarms, sink: &Sink) -> Result<Vec<String>> {
    let (listed, mut wrong) = verdict::listed(&all_listed(local).await?);
    wrong.extend(verdict::differences(expected, &listed).into_iter().map(|text| format!("listed: {text}")));
    let (told, _) = verdict::told(expected, &sink.heard());
    wrong.extend(told.into_iter().map(|text| format!("told: {text}")));
    let waiting = local.get("/api/v1/monitor/deliveries?state=waiting&limit=1").await?["total"].as_u64();
    if waiting != Some(0) {
        wrong.push(format!("{waiting:?} deliveries wait"));
    }
    Ok(wrong)
}

async fn all_listed(local: &Local) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let path = format!("/api/v1/monitor/alarms?state=all&rule={NAME}&limit={PAGE}&cursor={}", all.len());
        let mut page = local.get(&path).await?;
        let Value::Array(items) = page["items"].take() else { bail!("{path}: no list") };
        all.extend(items);
        if page["next_cursor"].is_null() {
            return Ok(all);
        }
    }
}

/// Tries the rule on what is stored, so few hosts at a time that every firing is in an answer.
async fn backtested(local: &Local, hosts: &[Host], expected: &Alarms) -> Result<u64> {
    let mut all = Vec::new();
    let mut part: (Vec<&str>, usize) = (Vec::new(), 0);
    for host in hosts {
        let name = host.identity.host.as_str();
        let of_host = expected.range((name.to_owned(), i64::MIN)..=(name.to_owned(), i64::MAX)).count();
        if part.1 + of_host > FIRINGS_MAX {
            all.extend(firings(local, &std::mem::take(&mut part).0).await?);
        }
        part.0.push(name);
        part.1 += of_host;
    }
    all.extend(firings(local, &part.0).await?);
    let (tried, mut wrong) = verdict::tried(&all);
    wrong.extend(verdict::differences(expected, &tried));
    if !wrong.is_empty() {
        let shown: Vec<_> = wrong.iter().take(SHOWN).collect();
        bail!("the back-test differs in {} places: {shown:#?}", wrong.len());
    }
    Ok(tried.len() as u64)
}

async fn firings(local: &Local, hosts: &[&str]) -> Result<Vec<Value>> {
    let message = json!({ "rule": verdict::rule(false), "since": "24h", "hosts": hosts });
    let mut answer = local.post("/api/v1/monitor/backtest", &message).await?;
    let firings = answer["firings"].take();
    firings.as_array().cloned().with_context(|| format!("the back-test of {} hosts: {answer}", hosts.len()))
}
