//! Rules for passwords: login.defs(5), pam.d(5), pwquality.conf(5), faillock.conf(5).

use crate::Root;
use crate::accounts::said;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The stacks in which logon and change of password are decided: Debian's, RHEL's and SUSE's
/// shared ones, then the programs' own. Includes need not be followed, as their targets are here.
pub const STACKS: [&str; 10] = [
    "common-auth",
    "common-account",
    "common-password",
    "system-auth",
    "password-auth",
    "passwd",
    "login",
    "sshd",
    "su",
    "sudo",
];
/// How many lines of one file are read.
const LINES_MAX: usize = 4_096;
/// The longest line in bytes; longer ones are passed over.
const LINE_BYTES_MAX: usize = 16 << 10;

/// One value and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Value {
    /// As written.
    pub value: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// One module in a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// `auth`, `account`, `password` or `session`.
    pub kind: String,
    /// `required`, `sufficient`, `[success=1 default=ignore]`, ….
    pub control: String,
    /// Name without directory and `.so`: `pam_unix`.
    pub module: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl Rule {
    /// The value of `name=…`, the last one if it is given twice; empty for a bare `name`.
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.iter().rev().find_map(|arg| match arg.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (arg == name).then_some(""),
        })
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}.so {}", self.kind, self.control, self.module, self.args.join(" "))?;
        write!(f, ", {}:{}", self.file, self.line)
    }
}

/// What a host demands of passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pam {
    /// True if one of [`STACKS`] exists.
    pub installed: bool,
    /// `auth`, `account` and `password` rules of [`STACKS`], in that order.
    pub rules: Vec<Rule>,
    /// `/etc/login.defs`, by its names; empty if there is none.
    pub login_defs: BTreeMap<String, Value>,
    /// pwquality's settings in force: `pwquality.conf.d` first, then `pwquality.conf`, the last wins.
    pub pwquality: BTreeMap<String, Value>,
    /// `/etc/security/faillock.conf`.
    pub faillock: BTreeMap<String, Value>,
    /// Why a file could not be read.
    pub error: Option<String>,
}

/// Reads all of it. A file that does not exist is an empty one.
pub fn pam(root: &Root) -> Pam {
    let mut pam = Pam::default();
    for stack in STACKS {
        let own = format!("/etc/pam.d/{stack}");
        // distributions with an immutable base keep the vendor's stacks in /usr/lib
        let path = if root.exists(&own) { own } else { format!("/usr/lib/pam.d/{stack}") };
        if let Some(text) = text(root, &path, &mut pam.error) {
            pam.installed = true;
            pam.rules.extend(rules(&path, &text));
        }
    }
    if let Some(text) = text(root, "/etc/login.defs", &mut pam.error) {
        pam.login_defs = values("/etc/login.defs", &text);
    }
    for path in pwquality_files(root) {
        if let Some(text) = text(root, &path, &mut pam.error) {
            pam.pwquality.extend(values(&path, &text));
        }
    }
    if let Some(text) = text(root, "/etc/security/faillock.conf", &mut pam.error) {
        pam.faillock = values("/etc/security/faillock.conf", &text);
    }
    pam
}

fn pwquality_files(root: &Root) -> Vec<String> {
    let names = root.names("/etc/security/pwquality.conf.d").unwrap_or_default();
    let names = names.iter().filter_map(|n| n.to_str()).filter(|n| n.ends_with(".conf")).take(256);
    let mut files: Vec<_> = names.map(|n| format!("/etc/security/pwquality.conf.d/{n}")).collect();
    files.push("/etc/security/pwquality.conf".to_owned());
    files
}

fn text(root: &Root, path: &str, error: &mut Option<String>) -> Option<String> {
    match root.text_if_exists(path) {
        Ok(text) => text,
        Err(e) => {
            error.get_or_insert(said(e));
            None
        }
    }
}

/// `name value` or `name = value` lines, `#` begins a comment; the last of a name wins.
pub fn values(file: &str, text: &str) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (line, text) in (1u32..).zip(text.lines().take(LINES_MAX)).filter(|(_, t)| t.len() <= LINE_BYTES_MAX) {
        let text = text.split('#').next().unwrap_or_default().trim();
        let end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if !name.is_empty() {
            let value = rest.trim_start().trim_start_matches('=').trim().trim_matches('"').to_owned();
            values.insert(name.to_owned(), Value { value, file: file.to_owned(), line });
        }
    }
    values
}

/// The `auth`, `account` and `password` rules of one file; includes are left out.
pub fn rules(file: &str, text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (line, text) in (1u32..).zip(text.lines().take(LINES_MAX)) {
        let (first, mut said) = open.take().unwrap_or((line, String::new()));
        let (body, goes_on) = text.strip_suffix('\\').map_or((text, false), |body| (body, true));
        if said.len() + body.len() <= LINE_BYTES_MAX {
            said.push_str(body);
            said.push(' ');
        }
        if goes_on {
            open = Some((first, said));
        } else {
            rules.extend(rule(file, first, &said));
        }
    }
    rules
}

fn rule(file: &str, line: u32, text: &str) -> Option<Rule> {
    let text = text.split('#').next().unwrap_or_default().trim();
    let (kind, rest) = text.split_once(char::is_whitespace)?;
    let kind = kind.trim_start_matches('-').to_ascii_lowercase();
    if !matches!(kind.as_str(), "auth" | "account" | "password") {
        return None;
    }
    let rest = rest.trim_start();
    let end = match rest.strip_prefix('[') {
        Some(_) => rest.find(']')? + 1,
        None => rest.find(char::is_whitespace)?,
    };
    let (control, rest) = rest.split_at(end);
    if matches!(control, "include" | "substack") {
        return None;
    }
    let mut words = rest.split_whitespace();
    let module = words.next()?.rsplit('/').next()?.trim_end_matches(".so").to_owned();
    let args = words.take(64).map(str::to_owned).collect();
    Some(Rule { kind, control: control.to_owned(), module, args, file: file.to_owned(), line })
}

#[cfg(test)]
mod tests;
