//! Building the console: only what has changed, so that `cargo xtask up` is quick the second time.

use crate::{debian, repository, run};
use anyhow::{Context, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

const DIR: &str = "console";
/// What decides which packages are installed.
const PACKAGE_FILES: [&str; 4] = ["package.json", "package-lock.json", "generator/package.json", ".npmrc"];
/// What is made by a build or a test, and so is no input.
const MADE: [&str; 4] = ["node_modules", "dist", "test-results", "e2e"];

/// Why the console cannot be built here, if so.
pub fn unbuildable() -> Option<String> {
    let need = "the console needs Node.js 20.19 or newer and npm";
    match debian::node_version() {
        None => Some(format!("{need}; there is no Node.js here")),
        Some(v) if !debian::node_serves(v) => Some(format!("{need}; this is Node.js {}.{}", v.0, v.1)),
        Some(_) if !debian::has("npm") => Some(format!("{need}; there is no npm here")),
        Some(_) => None,
    }
}

/// `npm` in the console's directory.
pub fn npm(args: &[&str]) -> Command {
    let mut command = run::command("npm", args);
    command.current_dir(DIR).env("NO_UPDATE_NOTIFIER", "1");
    command
}

/// Installs the console's packages, unless those of the same lock file are there.
pub fn install() -> Result<()> {
    let inputs: Vec<PathBuf> = PACKAGE_FILES.iter().map(|f| Path::new(DIR).join(f)).collect();
    let stamp = Stamp::of("console-packages", &inputs)?;
    if stamp.holds(&Path::new(DIR).join("node_modules")) {
        println!("the console's packages are up to date");
        return Ok(());
    }
    run::show(npm(&["ci"]))?;
    stamp.set()
}

/// Builds the console into `console/dist`, unless the same inputs were built before.
pub fn build() -> Result<()> {
    let mut inputs = Vec::new();
    collect(Path::new(DIR), &mut inputs)?;
    let stamp = Stamp::of("console-build", &inputs)?;
    if stamp.holds(&Path::new(DIR).join("dist/index.html")) {
        println!("the console is up to date");
        return Ok(());
    }
    run::show(npm(&["run", "build"]))?;
    stamp.set()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("reading `{}`", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        if MADE.iter().any(|m| entry.file_name() == *m) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(())
}

/// Remembers the contents from which something was made.
struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    fn of(name: &str, inputs: &[PathBuf]) -> Result<Stamp> {
        // Nobody forges a stamp in his own target directory: the standard hasher is enough.
        let mut hasher = DefaultHasher::new();
        debian::node_version().hash(&mut hasher);
        for path in inputs {
            path.hash(&mut hasher);
            // an input that does not exist is one too: it may appear later
            std::fs::read(path).ok().hash(&mut hasher);
        }
        Ok(Stamp { file: repository::own_dir()?.join(name), hash: format!("{:016x}\n", hasher.finish()) })
    }

    fn holds(&self, product: &Path) -> bool {
        product.exists() && std::fs::read_to_string(&self.file).is_ok_and(|text| text == self.hash)
    }

    fn set(&self) -> Result<()> {
        std::fs::write(&self.file, &self.hash).with_context(|| format!("writing `{}`", self.file.display()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_new_or_missing_input_changes_the_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let inputs = [dir.path().join("a"), dir.path().join("b")];
        let stamps = ["", "one", "two"].map(|content| {
            if !content.is_empty() {
                std::fs::write(&inputs[0], content).unwrap();
            }
            Stamp::of("a test never sets this stamp", &inputs).unwrap().hash
        });
        assert!(stamps[0] != stamps[1] && stamps[1] != stamps[2]);
        assert_eq!(Stamp::of("a test never sets this stamp", &inputs).unwrap().hash, stamps[2]);
    }

    #[test]
    fn what_a_build_makes_is_no_input_of_it() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["src/main.tsx", "node_modules/x/index.js", "dist/index.html"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut files = Vec::new();
        collect(dir.path(), &mut files).unwrap();
        assert_eq!(files, [dir.path().join("src/main.tsx")]);
    }
}
