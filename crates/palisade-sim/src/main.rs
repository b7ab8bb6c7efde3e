//! `palisade-sim`: runs scenarios and prints their figures as Markdown. `cargo xtask fleet-sim` builds
//! and starts it in a network namespace of its own.

use anyhow::Result;
use clap::Parser;
use palisade_sim::scenario::{self, Row, Scenario, Settings};
use std::process::ExitCode;

/// Simulated hosts against a real server.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Which; all but chaos if none is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into);
    match done.and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let size = &args.settings.size;
    scenario::enough_files(size.hosts.max(size.idle).max(size.spec_hosts))?;
    scenario::program_is_there(&args.settings.palisade)?;
    let all = [Scenario::Load, Scenario::Idle, Scenario::Spec, Scenario::Restart, Scenario::Alarm];
    let chosen = if args.scenarios.is_empty() { &all[..] } else { &args.scenarios };
    for &scenario in chosen {
        let rows = scenario::run(scenario, &args.settings).await?;
        println!("\n### {scenario:?}\n\n| what | measured | goal |\n|---|---|---|");
        for Row { what, measured, goal } in rows {
            println!("| {what} | {measured} | {goal} |");
        }
    }
    Ok(())
}
