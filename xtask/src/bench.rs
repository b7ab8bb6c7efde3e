//! `cargo xtask bench`: measures on this machine and prints Markdown for `docs/benchmarks.md`.
//!
//! CPU seconds are what counts: a shared machine stretches the time on the clock, not the work.

mod build;
mod check;
mod guards;
pub mod machine;
mod rest;

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::process::ExitCode;
use std::time::Instant;

/// What `cargo xtask bench` understands.
#[derive(clap::Args)]
pub struct BenchArgs {
    /// Only this one; all but `build` if absent
    #[arg(value_enum)]
    name: Option<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// What a sample costs
    Monitor,
    /// What storing an event costs
    Journal,
    /// What a ban costs
    Firewall,
    /// `palisade check` on this host
    Check,
    /// Agent and server at rest with 200 more processes, for a minute
    Rest,
    /// A cold release build, and the time after touching a crate (takes long)
    Build,
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub what: String,
    pub value: String,
    /// What it should be, if there is a goal.
    pub goal: String,
}

impl Figure {
    /// A figure with a goal; an empty goal is none.
    pub fn new(what: impl Into<String>, value: impl Into<String>, goal: impl Into<String>) -> Figure {
        Figure { what: what.into(), value: value.into(), goal: goal.into() }
    }
}

/// Measures, and prints machine and figures.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let names = match args.name {
        Some(name) => vec![name],
        None => vec![Name::Monitor, Name::Journal, Name::Firewall, Name::Check, Name::Rest],
    };
    let (mut figures, mut blocks) = (Vec::new(), Vec::new());
    for name in names {
        figures.extend(match name {
            Name::Monitor => guard("palisade-monitor", &mut blocks)?,
            Name::Journal => guard("palisade-journal", &mut blocks)?,
            Name::Firewall => guard("palisade-firewall", &mut blocks)?,
            Name::Check => check::measure()?,
            Name::Rest => rest::measure()?,
            Name::Build => build::measure()?,
        });
    }
    println!("\n{}\n", machine::line());
    blocks.iter().for_each(|block| println!("{block}"));
    if !figures.is_empty() {
        println!("{}", table(&figures));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the benches of a guard printed goes into a block of its own.
fn guard(package: &str, blocks: &mut Vec<String>) -> Result<Vec<Figure>> {
    let (text, figures) = guards::measure(package)?;
    blocks.push(format!("`cargo bench -p {package}`:\n\n```\n{}\n```\n", text.trim_end()));
    Ok(figures)
}

fn table(figures: &[Figure]) -> String {
    let mut text = "| what | measured | goal |\n|---|---|---|\n".to_owned();
    for Figure { what, value, goal } in figures {
        text.push_str(&format!("| {} | {} | {} |\n", cell(what), cell(value), cell(goal)));
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What children that have ended took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time in seconds.
    pub cpu_s: f64,
    /// Time on the clock in seconds.
    pub wall_s: f64,
}

/// Runs `work` and measures the children that it waited for.
pub fn cost<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let (before, start) = (children_cpu_s()?, Instant::now());
    let done = work()?;
    let wall_s = start.elapsed().as_secs_f64();
    Ok((done, Cost { cpu_s: children_cpu_s()? - before, wall_s }))
}

fn children_cpu_s() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(micros as f64 / 1e6)
}

/// The middle value; the list is not empty.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::run;

    #[test]
    fn figures_are_a_markdown_table() {
        let said = table(&[Figure::new("a | b", "3 µs", "≤ 8 µs")]);
        assert_eq!(said, "| what | measured | goal |\n|---|---|---|\n| a \\| b | 3 µs | ≤ 8 µs |\n");
    }

    #[test]
    fn the_time_of_a_child_is_counted() {
        let (_, cost) = cost(|| run::quiet(run::command("ls", &["-R", "/usr/share/doc"]))).unwrap();
        assert!(cost.cpu_s > 0.0 && cost.wall_s > 0.0, "{cost:?}");
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
