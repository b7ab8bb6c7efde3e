//! Conflicts: what stands, what the file says, what the file was made from; and overwriting
//! knowingly.

use anyhow::Result;
use palisade_guard::cli::file::Given;
use palisade_guard::cli::{CliContext, Output, Refusal, cell, printable};
use palisade_guard::resource::difference::{self, Difference};
use serde_json::Value;
use std::io::{IsTerminal, Write};

/// The body of the answer, if the error is a conflict.
pub fn body(error: &anyhow::Error) -> Option<&Value> {
    let refusal = error.downcast_ref::<Refusal>()?;
    refusal.body.get("conflict").map(|_| &refusal.body)
}

/// Says of each conflict what differs between what stands and both other sides.
pub fn print(context: &CliContext, body: &Value) {
    if context.output == Output::Json {
        println!("{body:#}");
        return;
    }
    eprintln!("conflict: {}", printable(&cell(body, "message")));
    for one in body["conflict"].as_array().into_iter().flatten() {
        let (kind, name) = (cell(one, "kind"), printable(&cell(one, "name")));
        let by = printable(&cell(one, "updated_by"));
        eprintln!("! {kind} {name}  (version {} by {by}, {})", cell(one, "version"), cell(one, "updated_at"));
        if one["theirs"].is_null() {
            eprintln!("    it was removed");
            continue;
        }
        if !one["base"].is_null() {
            sides("changed there", &one["base"], &one["theirs"]);
        }
        sides("your file would make", &one["theirs"], &one["mine"]);
    }
}

fn sides(title: &str, before: &Value, after: &Value) {
    eprintln!("    {title}:");
    difference::of(Some(before), Some(after)).iter().for_each(|d| eprintln!("      {}", line(d)));
}

/// `spec.region: eu -> us`
pub fn line(difference: &Difference) -> String {
    let shown = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let (before, after) = (shown(&difference.before), shown(&difference.after));
    printable(&format!("{}: {before} -> {after}", difference.path))
}

/// Marks the conflicting documents to overwrite what was shown, if that is wanted. A document that
/// says which version it was made from is an edit: it is made anew, never forced.
pub fn overwritten_knowingly(given: &mut [Given], body: &Value, yes: bool, from_stdin: bool) -> Result<bool> {
    let mut marks: Vec<Option<u64>> = vec![None; given.len()];
    for one in body["conflict"].as_array().into_iter().flatten() {
        let index = one["index"].as_u64().and_then(|n| usize::try_from(n).ok());
        if let Some(mark) = index.and_then(|n| marks.get_mut(n)) {
            *mark = one["version"].as_u64();
        }
    }
    if given.iter().zip(&marks).any(|(g, mark)| mark.is_some() && g.has_version()) {
        eprintln!("hint: `palisade get KIND NAME -o yaml` gives what stands now; make your change again in that");
        return Ok(false);
    }
    if !yes && !asked(from_stdin)? {
        return Ok(false);
    }
    given.iter_mut().zip(marks).filter(|(_, mark)| mark.is_some()).for_each(|(g, mark)| g.replaces = mark);
    Ok(true)
}

fn asked(from_stdin: bool) -> Result<bool> {
    if from_stdin || !std::io::stdin().is_terminal() {
        eprintln!("hint: with --yes it is overwritten");
        return Ok(false);
    }
    eprint!("overwrite it? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
