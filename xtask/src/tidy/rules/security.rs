//! Rules that keep whole classes of failures out; `SECURITY.md` names them.

use crate::tidy::{Breach, SourceFile};

/// Programs that would run a text as a command.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "busybox", "env", "su"];
const START: &str = concat!("Command::", "new(");

/// No product code starts a shell, and only `palisade-sys` and the wiring start programs at all.
pub fn programs(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let Some(crate_word) = file.product_crate() else { return };
    for (number, line) in file.product_lines() {
        // clap has a `Command` of its own
        let Some((_, argument)) = line.split_once(START).filter(|(before, _)| !before.ends_with("clap::")) else {
            continue;
        };
        let program = argument.trim_start_matches('"').split(['"', ')']).next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        if SHELLS.contains(&name) {
            breaches.push(file.breach(number, format!("starts `{name}`: no text is ever run as a command")));
        } else if !matches!(crate_word, "sys" | "palisade") && argument.starts_with('"') && !is_clap(file) {
            breaches.push(file.breach(number, format!("starts `{name}`: programs are started by palisade-sys only")));
        }
    }
}

/// In a guard's `cli.rs` a `Command` is clap's.
fn is_clap(file: &SourceFile) -> bool {
    file.text.contains("use clap::") && !file.text.contains("process::Command")
}

/// `SECURITY.md` names tests; each of them exists.
pub fn named_tests(files: &[SourceFile], breaches: &mut Vec<Breach>) {
    let Some(page) = files.iter().find(|f| f.path == "SECURITY.md") else { return };
    for (number, line) in page.text.lines().enumerate() {
        let quoted = line.split('`').skip(1).step_by(2);
        for name in quoted.filter(|word| is_test_name(word)) {
            let function = format!("fn {name}(");
            if !files.iter().any(|f| f.path.ends_with(".rs") && f.text.contains(&function)) {
                breaches.push(page.breach(number + 1, format!("names the test `{name}`, which does not exist")));
            }
        }
    }
}

/// Test names are sentences: at least four words joined by underscores.
fn is_test_name(word: &str) -> bool {
    word.matches('_').count() >= 3 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
