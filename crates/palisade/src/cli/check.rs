//! `palisade check`: the same judgement as the console's, without any server.

use crate::guards;
use anyhow::{Context, Result};
use palisade_core::{Clock, Finding, FindingState, HostId, PracticeState, Severity, SystemClock, Timestamp, score};
use palisade_guard::Host;
use palisade_guard::cli::{Output, printable, table};
use palisade_sys::{Root, facts};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use utoipa::ToSchema;

/// Rises when a field changes its meaning or goes away; new fields do not raise it.
const VERSION: u32 = 1;

#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Judge the host whose files are in this directory (mounted disk, scratch root)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Exit status 1 if an open finding is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    /// Name to report, if not the one of the system
    #[arg(long, value_name = "NAME")]
    host: Option<HostId>,
}

/// What `palisade check --output json` prints; its schema is `schemas/check.json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckReport {
    /// Version of this shape.
    version: u32,
    /// The host that was judged.
    host: HostId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// 0 to 100.
    score: u32,
    /// Every practice, once.
    practices: Vec<PracticeState>,
    /// Everything that is wrong, worst first, and the checks that could not run (state `unknown`).
    findings: Vec<Finding>,
}

pub fn run(args: &CheckArgs, output: Output) -> Result<ExitCode> {
    let report = judge(args)?;
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => print!("{}", text(&report)),
    }
    let open = report.findings.iter().filter(|f| f.state == FindingState::Open);
    let reached = args.fail_on.is_some_and(|limit| open.map(|f| f.severity).max().is_some_and(|worst| worst >= limit));
    Ok(if reached { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn judge(args: &CheckArgs) -> Result<CheckReport> {
    let root = match &args.root {
        None => Root::live(),
        Some(dir) => Root::scratch(dir).context("opening the root")?,
    };
    let host = Host { id: host_id(args, &root)?, root };
    let now = SystemClock.now();
    let guards = guards::all();
    let (mut runs, mut findings) = (Vec::new(), Vec::new());
    for guard in &guards {
        let look = guard.observer.look(&host, now);
        if let Some(error) = look.error {
            eprintln!("warning: the {} guard could not observe: {}", guard.word, printable(&error));
        }
        runs.extend(look.runs);
        findings.extend(look.findings);
    }
    findings.sort_by(|a, b| {
        let open = |f: &Finding| f.state == FindingState::Open;
        (open(b), b.severity)
            .cmp(&(open(a), a.severity))
            .then_with(|| (&a.check, &a.object).cmp(&(&b.check, &b.object)))
    });
    let practices = guards::practices(&guards, &runs, &findings);
    Ok(CheckReport { version: VERSION, host: host.id, time: now, score: score(&practices), practices, findings })
}

/// The name given, else the scratch root's own, else the system's.
fn host_id(args: &CheckArgs, root: &Root) -> Result<HostId> {
    if let Some(host) = &args.host {
        return Ok(host.clone());
    }
    if !root.is_live() {
        let name = root.text_if_exists("/etc/hostname").ok().flatten().unwrap_or_default();
        return Ok(name.trim().parse().unwrap_or_else(|_| "scratch".parse().expect("a valid name")));
    }
    Ok(facts::facts("").context("the system's host name\nhint: give one with --host")?.host)
}

fn text(report: &CheckReport) -> String {
    let mut out = format!("{}  score {} of 100\n\n", report.host, report.score);
    let rows =
        report.practices.iter().map(|p| vec![p.state.to_string(), p.title.clone(), p.guard.clone(), p.reason.clone()]);
    out.push_str(&table(&["state", "practice", "guard", "why"], rows));
    for finding in &report.findings {
        if finding.state != FindingState::Open {
            continue;
        }
        out.push_str(&format!("\n{}: {} ({})\n", finding.severity, finding.title, printable(&finding.object)));
        out.push_str(&format!(
            "  evidence: {}\n  why: {}\n  mend: {}\n",
            printable(&finding.evidence),
            finding.why,
            printable(&finding.fix.text)
        ));
        if let Some(command) = &finding.fix.command {
            out.push_str(&format!("  command: {}\n", printable(command)));
        }
    }
    let unknown: Vec<_> = report.findings.iter().filter(|f| f.state == FindingState::Unknown).collect();
    if !unknown.is_empty() {
        out.push_str("\nnot observed:\n");
        for finding in unknown {
            out.push_str(&format!("  {}: {}\n", finding.check, printable(&finding.evidence)));
        }
    }
    out
}
