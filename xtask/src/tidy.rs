//! `cargo xtask tidy`: the repository's rules as code.

mod rules;

use crate::run;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::ExitCode;

/// One text file of the repository.
pub struct SourceFile {
    /// From the repository's root.
    pub path: String,
    pub text: String,
}

/// A rule that is broken somewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub what: String,
}

/// `cargo xtask tidy`
pub fn run() -> Result<ExitCode> {
    check().map(|()| ExitCode::SUCCESS)
}

/// An error if a rule is broken; every breach is printed.
pub fn check() -> Result<()> {
    let files = files()?;
    let breaches = rules::all(&files);
    for breach in &breaches {
        println!("{}:{}: {}", breach.path, breach.line, breach.what);
    }
    if breaches.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        return Ok(());
    }
    bail!("{} places break a rule of the repository", breaches.len())
}

/// Every text file that is tracked or could be: what git ignores is not the repository's.
fn files() -> Result<Vec<SourceFile>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let out = run::quiet(run::command("git", &list))?;
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&out).split('\0').filter(|p| !p.is_empty()) {
        let full = Path::new(path);
        if !full.is_file() {
            continue; // deleted and not yet committed, or a symlink to a directory
        }
        // what is not UTF-8 is a picture or a fixture of hostile bytes
        if let Ok(text) = String::from_utf8(std::fs::read(full)?) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}
