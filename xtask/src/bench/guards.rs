//! The benches of a guard, in its own words, and as rows of the table the lines
//! `bench: WHAT = VALUE` or `bench: WHAT = VALUE (goal GOAL)`.

use super::Figure;
use crate::{repository, run};
use anyhow::{Result, bail};

/// Runs the benches of `package`: what they printed, and the figures in it.
pub fn measure(package: &str) -> Result<(String, Vec<Figure>)> {
    // by pattern, because `--benches` would also run the library's empty harness
    let bench = ["bench", "--package", package, "--bench", "*"];
    let mut build = run::command(repository::cargo(), &bench);
    build.arg("--no-run");
    run::show(build)?;
    let text = String::from_utf8_lossy(&run::quiet(run::command(repository::cargo(), &bench))?).into_owned();
    if text.trim().is_empty() {
        bail!("the benches of {package} printed nothing");
    }
    print!("{text}");
    let figures = text.lines().filter_map(figure).collect();
    Ok((text, figures))
}

fn figure(line: &str) -> Option<Figure> {
    let (what, value) = line.trim().strip_prefix("bench: ")?.split_once(" = ")?;
    let (value, goal) = match value.split_once(" (goal ") {
        Some((value, goal)) => (value, goal.trim_end_matches(')')),
        None => (value, ""),
    };
    Some(Figure::new(what, value, goal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_with_and_without_a_goal() {
        let with = figure("bench: system sample, CPU = 93 µs (goal ≤ 150 µs)");
        assert_eq!(with, Some(Figure::new("system sample, CPU", "93 µs", "≤ 150 µs")));
        assert_eq!(figure("bench: ban = 61,000/s"), Some(Figure::new("ban", "61,000/s", "")));
        assert_eq!(figure("running 0 tests"), None);
    }
}
