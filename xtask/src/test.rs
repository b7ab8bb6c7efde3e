//! `cargo xtask test`: everything that CI runs, step by step, to the end.

mod report;
mod session;

use crate::{console, counts, debian, generate, repository, run, tidy};
use anyhow::{Context, Result, bail};
use debian::{Answer, TEST_TOOLS};
use nix::unistd::Uid;
use session::{Ended, Session, Step};
use std::io::IsTerminal;
use std::process::ExitCode;

/// What `cargo xtask test` understands.
#[derive(clap::Args)]
pub struct TestArgs {
    /// Leave out everything that needs Node.js
    #[arg(long)]
    no_console: bool,
    /// Only the Rust tests whose name contains this; all other steps are left out
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Install missing test packages without asking
    #[arg(short, long)]
    yes: bool,
}

const FMT: &str = "format";
const CLIPPY: &str = "clippy";
const PACKAGES: &str = "console packages";
const TYPES: &str = "console types";
const UNIT: &str = "console unit tests";
const CONSOLE: &str = "console build";
const BUDGET: &str = "console budget";
const BUILD: &str = "build";
const RUST: &str = "rust tests";
const GENERATED: &str = "generated files";
const TIDY: &str = "tidy";
const PATHS: &str = "console paths";

/// Every step, in order, with the steps without which it means nothing.
fn steps(with_console: bool) -> Vec<Step> {
    let step = |name, needs: &'static [&'static str], run| Step { name, needs, run };
    let first = [
        step("test packages", &[], packages as session::Run),
        step(FMT, &[], |_| cargo(&["fmt", "--all", "--check"])),
        step(CLIPPY, &[], |_| cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ];
    let console_early = [
        step(PACKAGES, &[], |_| done(console::install())),
        step(TYPES, &[PACKAGES], |_| done(run::show(console::npm(&["run", "typecheck"])))),
        step(UNIT, &[PACKAGES], console_unit),
        step(CONSOLE, &[PACKAGES], |_| done(console::build())),
        step(BUDGET, &[CONSOLE], |_| done(run::show(console::npm(&["run", "budget"])))),
    ];
    let rust = [
        step(BUILD, &[], |_| cargo(&["build", "--package", "palisade"])),
        step(RUST, &[], rust_tests),
        step(GENERATED, &[BUILD], |session| done(generate::check(session.with_console))),
        step(TIDY, &[], |_| done(tidy::check())),
    ];
    let console_late = [step(PATHS, &[CONSOLE, BUILD], console_paths)];
    let mut all: Vec<Step> = first.into();
    all.extend(console_early.into_iter().filter(|_| with_console));
    all.extend(rust);
    all.extend(console_late.into_iter().filter(|_| with_console));
    all
}

/// Runs them all; exit status 1 if one failed.
pub fn run(args: &TestArgs) -> Result<ExitCode> {
    let mut session = Session { filter: args.filter.clone(), yes: args.yes, ..Session::default() };
    if session.filter.is_some() {
        session.take(&[Step { name: RUST, needs: &[], run: rust_tests }]);
        return Ok(report::print(&session));
    }
    session.with_console = match (args.no_console, console::unbuildable()) {
        (true, _) => false,
        (false, None) => true,
        (false, Some(why)) => {
            session.skip(&format!("console: {why}"));
            false
        }
    };
    session.take(&steps(session.with_console));
    Ok(report::print(&session))
}

fn done(result: Result<()>) -> Result<Ended> {
    result.map(|()| Ended::Done)
}

fn cargo(args: &[&str]) -> Result<Ended> {
    done(run::show(run::command(repository::cargo(), args)))
}

/// Installs what the tests use, as root; says what will be skipped otherwise.
fn packages(session: &mut Session) -> Result<Ended> {
    let missing: Vec<&str> = TEST_TOOLS.iter().filter(|tool| !tool.here()).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(Ended::Done);
    }
    let list = missing.join(" ");
    // On a person's own machine a package may start a service: ask. CI has no terminal.
    let wanted = Uid::effective().is_root()
        && (!std::io::stdin().is_terminal()
            || debian::confirm(&format!("install what the tests use ({list})?"), session.yes) == Answer::Yes);
    if !wanted {
        return Ok(Ended::Skipped(format!("tests that need {list} skip themselves: not installed")));
    }
    done(debian::install(&missing))
}

fn rust_tests(session: &mut Session) -> Result<Ended> {
    let filter = session.filter.clone();
    let nextest = run::quiet(run::command(repository::cargo(), &["nextest", "--version"])).is_ok();
    let (ran, tally) = if nextest { by_nextest(filter)? } else { by_cargo_test(filter)? };
    session.count(tally);
    ran.good().map(|_| Ended::Done)
}

fn by_nextest(filter: Option<String>) -> Result<(run::Ran, Result<counts::Tally>)> {
    let report = repository::target_dir().join("nextest/ci/junit.xml");
    if report.exists() {
        std::fs::remove_file(&report)?; // an old count must not pass for today's
    }
    let mut command = run::command(repository::cargo(), &["nextest", "run", "--workspace", "--profile", "ci"]);
    command.args(filter);
    let ran = run::tee(command)?;
    let read = std::fs::read_to_string(&report).context("cargo-nextest wrote no report, so no test ran");
    Ok((ran, read.and_then(|text| counts::nextest(&text))))
}

fn by_cargo_test(filter: Option<String>) -> Result<(run::Ran, Result<counts::Tally>)> {
    println!("cargo-nextest is not installed: `cargo test` runs the tests of a crate in one process");
    let mut command = run::command(repository::cargo(), &["test", "--workspace", "--no-fail-fast"]);
    command.args(filter).args(["--", "--show-output"]);
    let ran = run::tee(command)?;
    let tally = counts::cargo_test(&ran.text);
    Ok((ran, tally))
}

fn console_unit(session: &mut Session) -> Result<Ended> {
    let report = repository::own_dir()?.join("vitest.json");
    if report.exists() {
        std::fs::remove_file(&report)?;
    }
    let mut command = console::npm(&["test", "--", "--reporter=default", "--reporter=json"]);
    command.arg(format!("--outputFile.json={}", report.display()));
    let ran = run::tee(command)?;
    let read = std::fs::read_to_string(&report).context("Vitest wrote no report, so no test ran");
    session.count(read.and_then(|text| counts::vitest(&text)));
    ran.good().map(|_| Ended::Done)
}

fn console_paths(session: &mut Session) -> Result<Ended> {
    if !debian::has("chromium") {
        return Ok(Ended::Skipped("console paths: no chromium here".to_owned()));
    }
    // a process of its own: it moves into a network namespace, and we must not
    let own = std::env::current_exe().context("finding this program")?;
    let ran = run::tee(run::command(own, &["browser"]))?;
    session.count(counts::paths(&ran.text));
    if !ran.status.success() {
        bail!("the console's paths failed");
    }
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_step_needs_only_steps_before_it() {
        for with_console in [true, false] {
            let mut before = BTreeSet::new();
            for step in steps(with_console) {
                assert!(step.needs.iter().all(|need| before.contains(need)), "{}", step.name);
                assert!(before.insert(step.name), "{} stands there twice", step.name);
            }
        }
    }

    #[test]
    fn without_the_console_no_step_speaks_of_it() {
        assert!(steps(false).iter().all(|step| !step.name.contains("console")));
        assert_eq!(steps(true).len(), 13);
    }
}
