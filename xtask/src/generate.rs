//! The generated files: the API's description, the schema of `palisade check`, the console's types.

use crate::{console, repository, run};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::ExitCode;

/// What `palisade schema <word>` prints, and where it lies in the repository.
const SCHEMAS: [(&str, &str); 17] = [
    ("openapi", "console/openapi.json"),
    ("check", "schemas/check.json"),
    ("Host", "schemas/resources/host.json"),
    ("AddressAllow", "schemas/resources/address-allow.json"),
    ("AlarmRule", "schemas/resources/alarm-rule.json"),
    ("AlarmTemplate", "schemas/resources/alarm-template.json"),
    ("NotificationChannel", "schemas/resources/notification-channel.json"),
    ("NotificationPolicy", "schemas/resources/notification-policy.json"),
    ("PortPolicy", "schemas/resources/port-policy.json"),
    ("PrefixList", "schemas/resources/prefix-list.json"),
    ("Probe", "schemas/resources/probe.json"),
    ("ProcessWatch", "schemas/resources/process-watch.json"),
    ("ResourceGroup", "schemas/resources/resource-group.json"),
    ("Sampling", "schemas/resources/sampling.json"),
    ("SecurityGroup", "schemas/resources/security-group.json"),
    ("ServerWatch", "schemas/resources/server-watch.json"),
    ("Silence", "schemas/resources/silence.json"),
];
/// What `npm run generate` makes of the first of them.
const TYPES: &str = "console/src/api/schema.d.ts";

/// `cargo xtask generate`: makes them all anew.
pub fn run() -> Result<ExitCode> {
    run::show(run::command(repository::cargo(), &["build", "--package", "palisade"]))?;
    for file in schemas()? {
        println!("made `{file}` anew");
    }
    match console::unbuildable() {
        Some(why) => println!("`{TYPES}` is left as it is: {why}"),
        None => {
            console::install()?;
            if types()? {
                println!("made `{TYPES}` anew");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the generated files anew; an error that names those that had been out of step. They are
/// right afterwards, so that committing them is all that is left to do.
pub fn check(with_console: bool) -> Result<()> {
    let mut changed = schemas()?;
    if with_console && types()? {
        changed.push(TYPES);
    }
    if changed.is_empty() {
        return Ok(());
    }
    bail!("out of step, and now made anew: {}; commit them", changed.join(", "))
}

/// The files that were not as the program has them now.
fn schemas() -> Result<Vec<&'static str>> {
    let mut changed = Vec::new();
    for (word, file) in SCHEMAS {
        let made = run::quiet(run::command(repository::palisade("debug"), &["schema", word]))?;
        if made.is_empty() {
            bail!("`palisade schema {word}` printed nothing");
        }
        if put(Path::new(file), &made)? {
            changed.push(file);
        }
    }
    Ok(changed)
}

fn types() -> Result<bool> {
    let before = std::fs::read(TYPES).ok();
    run::quiet(console::npm(&["run", "generate"]))?;
    let after = std::fs::read(TYPES).with_context(|| format!("`npm run generate` made no `{TYPES}`"))?;
    Ok(before.as_ref() != Some(&after))
}

/// Writes the file unless it is so already; true if it was not.
fn put(path: &Path, content: &[u8]) -> Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(path, content).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_when_it_differs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("schemas/check.json");
        let said = [b"one", b"one", b"two"].map(|content| put(&file, content).unwrap());
        assert_eq!(said, [true, false, true]);
    }
}
