//! The rules. Each looks at one file or at all, and says where it is broken.
//!
//! What must not stand in a file is put together with `concat!`, so that this file keeps its own
//! rules.

mod security;

use super::{Breach, SourceFile};

/// Longer files are registries, façades or main loops that grow.
const LINES_MAX: usize = 600;
/// Made by a program.
const GENERATED: [&str; 3] = ["console/src/api/schema.d.ts", "console/package-lock.json", "Cargo.lock"];

/// Every breach of every rule.
pub fn all(files: &[SourceFile]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files {
        for rule in [unfinished, opening, length, html, secret_key, elsewhere, guards_apart, sql] {
            rule(file, &mut breaches);
        }
        security::programs(file, &mut breaches);
    }
    security::named_tests(files, &mut breaches);
    breaches
}

impl SourceFile {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_script(&self) -> bool {
        [".ts", ".tsx", ".js", ".mjs"].iter().any(|end| self.path.ends_with(end))
    }

    /// The word of the crate if this is product code: `firewall` for `crates/palisade-firewall/src/…`.
    fn product_crate(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        let is_test = self.path.ends_with("tests.rs") || self.path.contains("/tests/");
        let in_source = rest.starts_with("src/") && self.is_rust() && !is_test;
        in_source.then(|| name.strip_prefix("palisade-").unwrap_or(name))
    }

    /// The lines in front of a test module at the end of the file, numbered from 1.
    fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).enumerate().map(|(n, l)| (n + 1, l))
    }

    fn breach(&self, line: usize, what: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), line, what: what.into() }
    }

    /// A breach for every line that holds one of `words`.
    fn forbid(&self, words: &[&str], why: &str, breaches: &mut Vec<Breach>) {
        for (number, line) in self.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                breaches.push(self.breach(number + 1, format!("`{word}`: {why}")));
            }
        }
    }
}

fn unfinished(file: &SourceFile, breaches: &mut Vec<Breach>) {
    if file.is_rust() {
        let words = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];
        file.forbid(&words, "nothing is left unfinished or switched off", breaches);
    }
    if file.is_script() {
        let words = [
            concat!("test", ".skip("),
            concat!("test", ".only("),
            concat!("it", ".only("),
            concat!("describe", ".only("),
        ];
        file.forbid(&words, "no test is switched off", breaches);
    }
}

/// Every Rust file begins with what it is for.
fn opening(file: &SourceFile, breaches: &mut Vec<Breach>) {
    if !file.is_rust() {
        return;
    }
    let first = file.text.lines().find(|l| !l.trim().is_empty() && !l.starts_with("#!["));
    if !first.is_some_and(|l| l.starts_with("//! ")) {
        breaches.push(file.breach(1, "does not begin with a `//!` line that says what it is for"));
    }
}

fn length(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let lines = file.text.lines().count();
    if (file.is_rust() || file.is_script()) && lines > LINES_MAX && !GENERATED.contains(&file.path.as_str()) {
        breaches.push(file.breach(0, format!("{lines} lines; at most {LINES_MAX}: make it a folder of the same name")));
    }
}

/// Log text is hostile text: the console sets text, never markup.
fn html(file: &SourceFile, breaches: &mut Vec<Breach>) {
    if file.path.starts_with("console/src/") {
        let words = [
            concat!(".inner", "HTML"),
            concat!(".outer", "HTML"),
            concat!("dangerously", "SetInnerHTML"),
            concat!("insertAdjacent", "HTML"),
        ];
        file.forbid(&words, "the console sets text, never markup", breaches);
    }
}

/// A PEM header with a key behind it; the header alone is what a detector looks for.
fn secret_key(file: &SourceFile, breaches: &mut Vec<Breach>) {
    const KEY_CHARACTERS_MIN: usize = 32;
    for (at, marker) in file.text.match_indices(concat!("PRIVATE", " KEY-----")) {
        let rest = file.text[at + marker.len()..]
            .trim_start_matches("\\n")
            .trim_start_matches(|c: char| c.is_whitespace() || c == '"');
        let key = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b)).count();
        if key >= KEY_CHARACTERS_MIN {
            let line = file.text[..at].lines().count();
            breaches.push(file.breach(line, "a private key; keys are made when they are needed, tests too"));
        }
    }
}

/// Nothing of the machine that a file was written on, and no address of a package registry.
fn elsewhere(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let paths = [concat!("/root", "/.cargo"), concat!("/tmp", "/bash_jobs"), concat!("/home", "/user/")];
    file.forbid(&paths, "a path of one machine", breaches);
    let roots = [concat!("/wo", "rk/"), concat!("/fa", "rm/")];
    for (number, line) in file.text.lines().enumerate() {
        if roots.iter().any(|root| is_absolute_below(line, root)) {
            breaches.push(file.breach(number + 1, "a path of one machine"));
        }
    }
    let registries = [
        concat!("registry.", "npmjs"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("pypi.", "org/simple"),
        concat!("files.", "pythonhosted"),
    ];
    file.forbid(&registries, "the address of a registry", breaches);
    // which archives a host takes its packages from is what the upgrade guard is about
    if !file.path.starts_with("crates/") {
        let archives = [concat!("deb.", "debian.org"), concat!("security.", "debian.org")];
        file.forbid(&archives, "the address of a package archive", breaches);
    }
}

fn is_absolute_below(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + root.len()..].chars().next();
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        !before.is_some_and(is_word) && after.is_some_and(|c| c.is_ascii_lowercase() || c == '.')
    })
}

/// What a guard may build on; for its tests also [`FOR_TESTS`].
const FRAME: [&str; 4] = ["core", "sys", "guard", "logline"];
/// Namespaces with real packets.
const FOR_TESTS: &str = "sandbox";

/// A guard never depends on another: what one needs of another is a trait in `palisade-core`.
fn guards_apart(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let crate_name = file.path.strip_prefix("crates/palisade-").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
    let Some(own) = crate_name.filter(|name| !name.contains('/')) else { return };
    let table: toml::Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => return breaches.push(file.breach(0, format!("is no TOML: {error}"))),
    };
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let names = table.get(section).and_then(toml::Value::as_table).into_iter().flat_map(|t| t.keys());
        for word in names.filter_map(|name| name.strip_prefix("palisade-")) {
            if word == FOR_TESTS && section == "dev-dependencies" {
                continue;
            }
            if !FRAME.contains(&word) || (own == "core") || (own == "sys" && word != "core") {
                breaches.push(
                    file.breach(0, format!("depends on palisade-{word}; the arrows go one way (ARCHITECTURE.md)")),
                );
            }
        }
    }
}

/// SQL stands in `store.rs`, `db.rs` and migrations only.
fn sql(file: &SourceFile, breaches: &mut Vec<Breach>) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let allowed = name == "db.rs" || name == "store.rs" || name.ends_with("_store.rs") || file.path.contains("/store/");
    if file.product_crate().is_none() || allowed {
        return;
    }
    let words = ["sqlx::query", "sqlx::raw_sql", "\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM "];
    for (number, line) in file.product_lines() {
        if let Some(word) = words.iter().find(|word| line.contains(*word)) {
            breaches.push(file.breach(number, format!("`{}`: SQL stands in store.rs", word.trim_matches('"').trim())));
        }
    }
}

#[cfg(test)]
mod tests;
