//! `palisade check` on this host.

use super::{Figure, cost, median};
use crate::{repository, run};
use anyhow::{Context, Result, bail};
use std::process::Stdio;

const RUNS: usize = 7;

/// Runs it a few times; the median.
pub fn measure() -> Result<Vec<Figure>> {
    run::show(run::command(repository::cargo(), &["build", "--release", "--package", "palisade"]))?;
    let (mut cpu_s, mut wall_s, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let (size, cost) = cost(once)?;
        cpu_s.push(cost.cpu_s);
        wall_s.push(cost.wall_s);
        bytes = size;
    }
    Ok(vec![
        Figure::new("`palisade check`, on the clock", format!("{:.2} s", median(wall_s)), "≤ 2 s"),
        Figure::new("`palisade check`, CPU", format!("{:.2} s", median(cpu_s)), ""),
        Figure::new("`palisade check --output json`", format!("{:.0} kB", bytes as f64 / 1e3), ""),
    ])
}

/// One run; the size of its answer in bytes.
fn once() -> Result<usize> {
    let mut check = run::command(repository::palisade("release"), &["check", "--output", "json"]);
    let output = check.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("starting `palisade check`")?;
    // findings may make it exit with 1; an answer has to be there either way
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("`palisade check` answered no JSON")?;
    if report["practices"].as_array().is_none_or(Vec::is_empty) {
        bail!("`palisade check` judged no practice");
    }
    Ok(output.stdout.len())
}
