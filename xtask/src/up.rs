//! `cargo xtask up`: from a clone to a running Palisade.

use crate::debian::{self, Answer, NodeVersion};
use crate::{console, repository, run};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Exit status when somebody would have to be asked and nobody is there.
const UNANSWERED: u8 = 2;

/// What `cargo xtask up` understands.
#[derive(clap::Args)]
pub struct UpArgs {
    /// Install what is missing without asking
    #[arg(short, long)]
    yes: bool,
    /// Leave the console out; the address then serves a page that says how to build it
    #[arg(long)]
    no_console: bool,
    /// For `palisade up`, after `--`: `-- --listen 0.0.0.0:8443`
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// What there is on this machine.
struct Found {
    /// A C compiler, which SQLite and the cryptography are built with, and Rust links with.
    cc: bool,
    node: Option<NodeVersion>,
    npm: bool,
    /// The Node.js that apt would install.
    node_candidate: Option<NodeVersion>,
}

/// What has to be done before the build.
#[derive(Debug, Default, PartialEq, Eq)]
struct Preparation {
    /// Debian packages, and what each is for.
    packages: Vec<(&'static str, &'static str)>,
    /// Why there will be no console, if so.
    no_console: Option<String>,
}

/// Installs, builds, and becomes `palisade up`.
pub fn run(args: &UpArgs) -> Result<ExitCode> {
    let preparation = prepare(&look(), !args.no_console);
    if let Some(code) = install(&preparation, args.yes)? {
        return Ok(code);
    }
    match &preparation.no_console {
        Some(why) => println!("{why}"),
        None => {
            let built = console::install().and_then(|()| console::build());
            built.context("building the console (`cargo xtask up --no-console` goes on without it)")?;
        }
    }
    println!("building Palisade; the first time takes some minutes");
    run::show(run::command(repository::cargo(), &["build", "--release", "--package", "palisade"]))?;
    let mut palisade = Command::new(repository::palisade("release"));
    palisade.arg("up").args(&args.args);
    println!("$ {}", run::shown(&palisade));
    Err(palisade.exec()).context("starting Palisade")
}

fn look() -> Found {
    Found {
        cc: debian::has("cc"),
        node: debian::node_version(),
        npm: debian::has("npm"),
        node_candidate: debian::candidate("nodejs"),
    }
}

fn prepare(found: &Found, with_console: bool) -> Preparation {
    let mut preparation = Preparation::default();
    if !found.cc {
        preparation.packages.push(("gcc", "the C compiler that SQLite and the cryptography are built with"));
        preparation.packages.push(("libc6-dev", "the C library's headers, for the same"));
    }
    if !with_console {
        preparation.no_console = Some("the console is left out, as you asked".to_owned());
        return preparation;
    }
    match (found.node, found.npm) {
        (Some(node), true) if debian::node_serves(node) => {}
        (Some(node), false) if debian::node_serves(node) => preparation.packages.push(("npm", "builds the console")),
        _ if found.node_candidate.is_some_and(debian::node_serves) => {
            preparation.packages.push(("nodejs", "builds the console"));
            preparation.packages.push(("npm", "builds the console"));
        }
        _ => preparation.no_console = Some(without_console(found)),
    }
    preparation
}

fn without_console(found: &Found) -> String {
    let said =
        |version: Option<NodeVersion>| version.map_or("none".to_owned(), |(major, minor)| format!("{major}.{minor}"));
    format!(
        "the console is left out: building it needs Node.js 20.19 or newer with npm; installed: {}, in this system's packages: {}.\n\
         Palisade runs without it: the command line and the API are whole, and the address serves a page that says how to add the console.\n\
         To have it, install a newer Node.js and run `cargo xtask up` again.",
        said(found.node),
        said(found.node_candidate)
    )
}

/// The exit code if the installation was refused.
fn install(preparation: &Preparation, yes: bool) -> Result<Option<ExitCode>> {
    if preparation.packages.is_empty() {
        return Ok(None);
    }
    println!("missing on this machine:");
    for (package, purpose) in &preparation.packages {
        println!("  {package:<12} {purpose}");
    }
    let packages: Vec<&str> = preparation.packages.iter().map(|(package, _)| *package).collect();
    match debian::confirm("install them with apt-get?", yes) {
        Answer::Yes => debian::install(&packages).map(|()| None),
        Answer::No => bail!("nothing was installed; install {} yourself and run this again", packages.join(" ")),
        Answer::Nobody => {
            eprintln!("nothing was installed: this is no terminal, so nobody can say yes");
            eprintln!("hint: `cargo xtask up -y` installs them without asking");
            Ok(Some(ExitCode::from(UNANSWERED)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Found = Found { cc: true, node: Some((20, 20)), npm: true, node_candidate: Some((18, 20)) };

    fn packages(found: &Found) -> Vec<&'static str> {
        prepare(found, true).packages.iter().map(|(package, _)| *package).collect()
    }

    #[test]
    fn a_machine_that_has_all_is_asked_nothing() {
        assert_eq!(prepare(&READY, true), Preparation::default());
    }

    #[test]
    fn a_fresh_debian_12_gets_a_compiler_and_no_console_because_its_node_is_too_old() {
        let fresh = Found { cc: false, node: None, npm: false, ..READY };
        assert_eq!(packages(&fresh), ["gcc", "libc6-dev"]);
        let why = prepare(&fresh, true).no_console.unwrap_or_default();
        assert!(why.contains("installed: none, in this system's packages: 18.20"), "{why}");
    }

    #[test]
    fn a_system_with_a_new_enough_node_in_its_packages_installs_it() {
        let fresh = Found { node: None, npm: false, node_candidate: Some((20, 19)), ..READY };
        assert_eq!(packages(&fresh), ["nodejs", "npm"]);
        assert_eq!(prepare(&fresh, true).no_console, None);
    }

    #[test]
    fn a_good_node_without_npm_gets_only_npm() {
        assert_eq!(packages(&Found { npm: false, ..READY }), ["npm"]);
    }

    #[test]
    fn without_the_console_node_is_no_matter() {
        let none = Found { node: None, npm: false, ..READY };
        assert_eq!(prepare(&none, false).packages, []);
        assert!(prepare(&none, false).no_console.is_some());
    }

    #[test]
    fn what_follows_the_dashes_is_for_palisade() {
        use clap::Parser;
        #[derive(Parser)]
        struct Cli {
            #[command(flatten)]
            up: UpArgs,
        }
        let cli = Cli::parse_from(["up", "-y", "--", "--listen", "127.0.0.1:9443"]);
        assert!(cli.up.yes);
        assert_eq!(cli.up.args, ["--listen", "127.0.0.1:9443"]);
    }
}
