//! `palisade firewall ban import`: a file of addresses, all of it or nothing.

use crate::feed::IMPORT_MAX;
use anyhow::{Context, Result, bail};
use palisade_core::Cidr;
use palisade_guard::cli::{cell, printable};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Lines that an error names.
const NAMED_MAX: usize = 10;

/// The entries of a file, or of standard input for `-`, as the server takes them.
pub fn read(file: &Path) -> Result<Vec<Value>> {
    let mut text = String::new();
    let mut take = |from: &mut dyn Read| from.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if file == Path::new("-") {
        take(&mut std::io::stdin()).context("reading standard input")?;
    } else {
        let mut open = std::fs::File::open(file).with_context(|| format!("opening `{}`", file.display()))?;
        take(&mut open).with_context(|| format!("reading `{}`", file.display()))?;
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        bail!("`{}` is larger than {} MiB", file.display(), FILE_BYTES_MAX >> 20);
    }
    Ok(addresses(&text)?.into_iter().map(|address| json!({ "address": address })).collect())
}

/// One address or network per line; every line that is none is named with its number.
fn addresses(text: &str) -> Result<Vec<Cidr>> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.split('#').next().unwrap_or_default().trim();
        match content.parse::<Cidr>() {
            _ if content.is_empty() => {}
            Ok(cidr) => found.push(cidr),
            Err(error) => wrong.push(format!("line {number}: {error}")),
        }
    }
    if !wrong.is_empty() {
        let more = wrong.len().saturating_sub(NAMED_MAX);
        wrong.truncate(NAMED_MAX);
        let more = if more > 0 { format!("\nand {more} more lines") } else { String::new() };
        bail!("{}{more}\nhint: nothing was changed; mend the lines or take them out", wrong.join("\n"));
    }
    if found.len() > IMPORT_MAX {
        bail!("{} addresses; at most {IMPORT_MAX} can be imported at once\nhint: split the file", found.len());
    }
    if found.is_empty() {
        bail!("there is no address in it");
    }
    Ok(found)
}

/// The answer for people.
pub fn said(answer: &Value, dry_run: bool) -> String {
    let number = |field: &str| answer[field].as_u64().unwrap_or_default();
    let (would, are) = if dry_run { ("would be ", " (preview, nothing was changed)") } else { ("", "") };
    let mut lines = vec![format!("{} {would}shut out of every host{are}", number("added"))];
    if number("dropped") > 0 {
        lines.push(format!("{} that end first {would}given up to make room", number("dropped")));
    }
    lines.push(format!("{} networks are shut out because many of their addresses are", number("aggregated")));
    let refused = answer["refused"].as_array().cloned().unwrap_or_default();
    lines.extend(refused.iter().map(|r| format!("refused: {}: {}", cell(r, "address"), cell(r, "why"))));
    let more = number("refused_total").saturating_sub(refused.len() as u64);
    lines.extend((more > 0).then(|| format!("and {more} more refused")));
    lines.iter().map(|line| printable(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_addresses_is_read_with_its_comments() {
        let text = "# a list\n203.0.113.9\n\n 198.51.100.0/24 # whole\r\n2001:db8::1\n";
        let found: Vec<String> = addresses(text).expect("it is right").iter().map(Cidr::to_string).collect();
        assert_eq!(found, ["203.0.113.9", "198.51.100.0/24", "2001:db8::1"]);
    }

    #[test]
    fn every_wrong_line_is_named_and_nothing_is_taken() {
        let error = addresses("203.0.113.9\n203.0.113.9/24\nnobody\n").expect_err("two lines are wrong").to_string();
        assert!(error.contains("line 2: `203.0.113.9/24` has host bits set"), "{error}");
        assert!(error.contains("line 3: `nobody`") && !error.contains("line 1"), "{error}");
        assert!(addresses("# nothing\n").is_err());
    }

    #[test]
    fn the_answer_names_what_was_refused() {
        let answer = json!({ "added": 2, "aggregated": 0, "dropped": 0, "refused_total": 2,
            "refused": [{ "address": "127.0.0.1", "why": "loopback" }] });
        let expected = "2 shut out of every host\n\
            0 networks are shut out because many of their addresses are\n\
            refused: 127.0.0.1: loopback\nand 1 more refused\n";
        assert_eq!(said(&answer, false), expected);
    }
}
