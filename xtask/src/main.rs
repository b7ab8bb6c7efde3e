//! Palisade's own tooling: `cargo xtask up`, `test`, `bench`, `fleet-sim`, `tidy`, `generate`.

mod bench;
mod browser;
mod console;
mod counts;
mod debian;
mod fleet_sim;
mod generate;
mod repository;
mod run;
mod skips;
mod test;
mod tidy;
mod up;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Palisade's own tooling")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what is missing, builds, and starts Palisade on this machine
    Up(up::UpArgs),
    /// Everything that CI runs
    Test(test::TestArgs),
    /// Measures, and prints the figures as Markdown
    Bench(bench::BenchArgs),
    /// Thousands of simulated hosts against a real server
    FleetSim(fleet_sim::FleetSimArgs),
    /// The repository's rules as code
    Tidy,
    /// Makes the generated files anew
    Generate,
    /// The console's paths in a real browser, in a network namespace of its own
    Browser,
}

fn main() -> ExitCode {
    match task(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task(task: Task) -> Result<ExitCode> {
    std::env::set_current_dir(repository::root())?;
    match task {
        Task::Up(args) => up::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::FleetSim(args) => fleet_sim::run(&args),
        Task::Tidy => tidy::run(),
        Task::Generate => generate::run(),
        Task::Browser => browser::run(),
    }
}
