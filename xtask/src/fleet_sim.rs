//! `cargo xtask fleet-sim`: a real server and thousands of simulated hosts, on loopback of a network
//! namespace of their own. Prints Markdown for `docs/benchmarks.md`.

use crate::bench::machine;
use crate::{browser, repository, run};
use anyhow::{Context, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::process::ExitCode;

/// Open files that simulator and server get, where we may give so many; each connection is one in both.
const FILES_MAX: u64 = 65_536;

/// What `cargo xtask fleet-sim` understands; it is handed on to the simulator, which has the limits
/// and defaults: `cargo xtask fleet-sim -- --help`.
#[derive(clap::Args)]
pub struct FleetSimArgs {
    /// Scenarios (load, idle, spec, restart, chaos) and flags: --hosts, --series, --events-per-s,
    /// --minutes, --idle, --spec-hosts, --bans, --chaos SECONDS
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds both programs in release, and runs the scenarios.
pub fn run(args: &FleetSimArgs) -> Result<ExitCode> {
    let build = ["build", "--release", "--package", "palisade", "--package", "palisade-sim"];
    run::show(run::command(repository::cargo(), &build))?;
    let palisade = repository::palisade("release");
    let mut sim = run::command(palisade.with_file_name("palisade-sim"), &["--palisade"]);
    sim.arg(palisade).args(&args.rest);
    println!("\n{}", machine::line());
    browser::leave_machine_network()?;
    more_files().context("raising the limit of open files")?;
    Ok(if run::tee(sim)?.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The simulator and the server that it starts inherit the limit. It says itself if that is not enough.
fn more_files() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < FILES_MAX && setrlimit(Resource::RLIMIT_NOFILE, FILES_MAX, hard.max(FILES_MAX)).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
