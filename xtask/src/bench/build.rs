//! What building costs: cold, and after touching a crate that much or little depends on.

use super::{Figure, cost};
use crate::{repository, run};
use anyhow::{Context, Result};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Touched one after the other: the words, the frame, one guard.
const TOUCHED: [&str; 3] = ["palisade-core", "palisade-guard", "palisade-access"];

/// Builds in a target directory of its own, which it empties first.
pub fn measure() -> Result<Vec<Figure>> {
    let dir = repository::own_dir()?.join("bench-build");
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("emptying `{}`", dir.display()))?;
    }
    let ((), cold) = cost(|| run::show(build(&dir)))?;
    let mut figures = vec![
        Figure::new("cold release build, CPU", format!("{:.1} min", cold.cpu_s / 60.0), "≤ 15 min"),
        Figure::new("cold release build, on the clock", format!("{:.1} min", cold.wall_s / 60.0), ""),
    ];
    for name in TOUCHED {
        let touched = Touched::new(&Path::new("crates").join(name).join("src/lib.rs"))?;
        let ((), again) = cost(|| run::show(build(&dir)))?;
        drop(touched);
        let value = format!("{:.0} s CPU, {:.0} s on the clock", again.cpu_s, again.wall_s);
        figures.push(Figure::new(format!("release build after touching `{name}`"), value, ""));
    }
    println!("where the time went: {}", dir.join("cargo-timings/cargo-timing.html").display());
    Ok(figures)
}

fn build(dir: &Path) -> Command {
    let mut command = run::command(repository::cargo(), &["build", "--release", "--package", "palisade", "--timings"]);
    command.env("CARGO_TARGET_DIR", dir);
    command
}

/// A file that looks changed while this lives; afterwards other builds see it unchanged.
struct Touched {
    file: File,
    before: SystemTime,
}

impl Touched {
    fn new(path: &Path) -> Result<Touched> {
        let file = File::options().append(true).open(path).with_context(|| format!("opening `{}`", path.display()))?;
        let before = file.metadata()?.modified()?;
        file.set_modified(SystemTime::now())?;
        Ok(Touched { file, before })
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        let _ = self.file.set_modified(self.before); // at worst the next build makes one crate anew
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_file_has_its_time_back_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.rs");
        std::fs::write(&path, "//! X.\n").unwrap();
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
        let touched = Touched::new(&path).unwrap();
        assert!(path.metadata().unwrap().modified().unwrap() > old);
        drop(touched);
        assert_eq!(path.metadata().unwrap().modified().unwrap(), old);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "//! X.\n");
    }
}
