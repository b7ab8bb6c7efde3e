//! Palisade: one binary that is the control server, the agent on each host and the command line.

mod agent;
mod cli;
mod config;
mod guards;
mod link;
mod process;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
