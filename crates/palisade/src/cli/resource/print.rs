//! The plan of a change in sentences, and what each resource becomes.

use super::conflict::line;
use palisade_guard::cli::{CliContext, Output, cell, printable};
use palisade_guard::resource::difference::Difference;
use serde_json::Value;

/// True if the plan changes anything.
pub fn changes(plan: &Value) -> bool {
    results(plan).iter().any(|r| r["action"] != "unchanged")
}

/// Prints what would be done, or what was done to a resource.
pub fn plan(context: &CliContext, plan: &Value) {
    if context.output == Output::Json {
        println!("{plan:#}");
        return;
    }
    print!("{}", text(plan));
}

/// Prints that it was done.
pub fn done(context: &CliContext, done: &Value) {
    if context.output == Output::Json {
        println!("{done:#}");
        return;
    }
    let plans: Vec<&str> = done["plans"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    println!("applied: plan {}", plans.join(", "));
}

fn results(plan: &Value) -> Vec<Value> {
    plan["results"].as_array().cloned().unwrap_or_default()
}

fn text(plan: &Value) -> String {
    let (mut out, mut unchanged) = (String::new(), 0);
    for result in results(plan) {
        let mark = match result["action"].as_str() {
            Some("create") => '+',
            Some("delete") => '-',
            Some("change") => '~',
            _ => {
                unchanged += 1;
                continue;
            }
        };
        let over = &result["overwrites"];
        let over = if over.is_null() {
            String::new()
        } else {
            format!("  (over version {} by {})", cell(over, "version"), printable(&cell(over, "updated_by")))
        };
        out.push_str(&format!("{mark} {} {}{over}\n", cell(&result, "kind"), printable(&cell(&result, "name"))));
        let differences: Vec<Difference> = serde_json::from_value(result["changes"].clone()).unwrap_or_default();
        differences.iter().for_each(|d| out.push_str(&format!("    {}\n", line(d))));
    }
    if unchanged > 0 {
        let are = if unchanged == 1 { "resource is" } else { "resources are" };
        out.push_str(&format!("= {unchanged} {are} as the file says\n"));
    }
    for effect in plan["plan"]["effects"].as_array().into_iter().flatten() {
        out.push_str(&format!("effect: {}\n", printable(&cell(effect, "sentence"))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_prints_each_change_with_its_fields_and_counts_the_rest() {
        let plan = json!({
            "plan": { "effects": [{ "sentence": "web-1 is tagged role=db" }] },
            "results": [
                { "kind": "Host", "name": "web-1", "action": "change", "version": 4,
                  "changes": [{ "path": "spec.tags.role", "before": "web", "after": "db" }],
                  "overwrites": { "version": 3, "updated_by": "ben", "updated_at": "2026-11-22T12:00:00Z" } },
                { "kind": "AddressAllow", "name": "203.0.113.0/24", "action": "create", "version": 1,
                  "changes": [{ "path": "spec.reason", "before": null, "after": "office\u{1b}[31m" }] },
                { "kind": "Host", "name": "db-1", "action": "unchanged", "version": 1, "changes": [] },
            ],
        });
        let expected = "~ Host web-1  (over version 3 by ben)\n    spec.tags.role: \"web\" -> \"db\"\n\
                        + AddressAllow 203.0.113.0/24\n    spec.reason: nothing -> \"office\\u{1b}[31m\"\n\
                        = 1 resource is as the file says\neffect: web-1 is tagged role=db\n";
        assert_eq!(text(&plan), expected);
        assert!(changes(&plan));
    }
}
