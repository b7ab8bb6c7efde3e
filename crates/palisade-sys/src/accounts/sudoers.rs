//! sudoers(5), as far as it tells who may become root and whether a password is asked for.
//!
//! Not resolved: command aliases, host lists, negations, rules from LDAP.

use super::{Account, ROW_BYTES_MAX, cut, said};
use crate::Root;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};

/// How many files are read, by includes from `/etc/sudoers`.
const FILES_MAX: usize = 256;
/// How many rules are kept.
const RULES_MAX: usize = 4_096;
/// How many users one rule or alias may list.
const USERS_MAX: usize = 256;
/// How deep user aliases may stand in each other.
const ALIAS_DEPTH_MAX: usize = 8;

/// One user specification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SudoRule {
    /// Where it stands.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: u32,
    /// The rule as written, on one line.
    pub text: String,
    /// Whom it is for, aliases resolved: `ann`, `%sudo`, `#1000`, `%#27`, `ALL`.
    pub who: Vec<String>,
    /// True if it allows every command without a password.
    pub nopasswd_all: bool,
}

/// Whom any rule names, for asking about one account. `ALL` is left out: openSUSE's rule for `ALL`
/// asks for root's own password, and would make every daemon an administrator.
pub(super) struct Named<'a>(HashSet<&'a str>);

impl<'a> Named<'a> {
    pub(super) fn by(rules: &'a [SudoRule]) -> Named<'a> {
        Named(rules.iter().flat_map(|rule| &rule.who).map(String::as_str).filter(|who| *who != "ALL").collect())
    }

    /// True if a rule is for this account, by name, id or group.
    pub(super) fn covers(&self, account: &Account) -> bool {
        let has = |who: String| self.0.contains(who.as_str());
        !self.0.is_empty()
            && (self.0.contains(account.name.as_str())
                || has(format!("#{}", account.uid))
                || has(format!("%#{}", account.gid))
                || account.groups.iter().any(|group| has(format!("%{group}"))))
    }
}

/// Every rule of `/etc/sudoers` and what it includes, and the first error if a file is unreadable.
pub(super) fn read(root: &Root) -> (Vec<SudoRule>, Option<String>) {
    let mut parsed = Parsed::default();
    let mut error = None;
    let mut queue = VecDeque::from(["/etc/sudoers".to_owned()]);
    let mut files = 0;
    while let Some(file) = queue.pop_front() {
        files += 1;
        if files > FILES_MAX {
            break;
        }
        match root.text_if_exists(&file) {
            Ok(text) => parsed.file(&file, &text.unwrap_or_default()),
            Err(e) => error = error.or(Some(said(e))),
        }
        for include in std::mem::take(&mut parsed.includes) {
            match include {
                Include::File(path) => queue.push_back(path),
                Include::Dir(dir) => {
                    let names = root.names(&dir).unwrap_or_default();
                    // sudoers(5): names that end in `~` or contain `.` are passed over
                    let names =
                        names.iter().filter_map(|n| n.to_str()).filter(|n| !n.ends_with('~') && !n.contains('.'));
                    queue.extend(names.take(FILES_MAX).map(|n| format!("{}/{n}", dir.trim_end_matches('/'))));
                }
            }
        }
    }
    (parsed.resolved(), error)
}

/// The rules of one text, includes not followed.
#[cfg(test)]
pub(super) fn parse(file: &str, text: &str) -> Vec<SudoRule> {
    let mut parsed = Parsed::default();
    parsed.file(file, text);
    parsed.resolved()
}

enum Include {
    File(String),
    Dir(String),
}

#[derive(Default)]
struct Parsed {
    rules: Vec<SudoRule>,
    aliases: HashMap<String, Vec<String>>,
    includes: Vec<Include>,
}

impl Parsed {
    fn file(&mut self, file: &str, text: &str) {
        for (line, text) in joined(text) {
            self.entry(file, line, text.trim());
        }
    }

    fn entry(&mut self, file: &str, line: u32, text: &str) {
        if let Some(include) = include(text) {
            self.includes.push(include);
        } else if let Some(aliases) = text.strip_prefix("User_Alias") {
            for one in aliases.split(':') {
                if let Some((name, members)) = one.split_once('=') {
                    self.aliases.insert(
                        name.trim().to_owned(),
                        members.split(',').take(USERS_MAX).map(|m| m.trim().to_owned()).collect(),
                    );
                }
            }
        } else if let Some(rule) = rule(text)
            && self.rules.len() < RULES_MAX
        {
            self.rules.push(SudoRule { file: file.to_owned(), line, text: cut(text), ..rule });
        }
    }

    fn resolved(mut self) -> Vec<SudoRule> {
        for rule in &mut self.rules {
            for _ in 0..ALIAS_DEPTH_MAX {
                let Some(at) = rule.who.iter().position(|who| self.aliases.contains_key(who)) else { break };
                let alias = rule.who.swap_remove(at);
                let room = USERS_MAX.saturating_sub(rule.who.len());
                rule.who.extend(self.aliases.get(&alias).into_iter().flatten().take(room).map(|m| cut(m)));
            }
        }
        self.rules
    }
}

/// Lines with their continuations joined and comments taken off; the number is of the first line.
fn joined(text: &str) -> Vec<(u32, String)> {
    let mut out: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1u32..).zip(text.lines()) {
        let (body, goes_on) = line.strip_suffix('\\').map_or((line, false), |body| (body, true));
        match out.last_mut().filter(|_| open) {
            Some((_, said)) if said.len() < ROW_BYTES_MAX => said.push_str(body),
            Some(_) => {}
            None => out.push((number, body.get(..body.len().min(ROW_BYTES_MAX)).unwrap_or_default().to_owned())),
        }
        open = goes_on;
    }
    for (_, said) in &mut out {
        *said = uncommented(said).to_owned();
    }
    out
}

/// Without its comment. `#` followed by a digit is a user id, `#include` is no comment.
fn uncommented(text: &str) -> &str {
    if text.trim_start().starts_with("#include") {
        return text;
    }
    let comment = text.match_indices('#').find(|(at, _)| !text[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    comment.map_or(text, |(at, _)| &text[..at])
}

fn include(text: &str) -> Option<Include> {
    let rest = text.strip_prefix(['#', '@'])?;
    let (word, path) = rest.split_once(char::is_whitespace)?;
    let path = path.trim().trim_matches('"');
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/etc/{path}") };
    match word {
        "include" => Some(Include::File(path)),
        "includedir" => Some(Include::Dir(path)),
        _ => None,
    }
}

fn rule(text: &str) -> Option<SudoRule> {
    if let Some(defaults) = text.strip_prefix("Defaults") {
        // `Defaults !authenticate` takes the password away from every rule, or from one user's
        let who = defaults.strip_prefix(':').and_then(|r| r.split_whitespace().next()).unwrap_or("ALL");
        let off = defaults.split([' ', '\t', ',']).any(|word| word == "!authenticate");
        let scoped = defaults.starts_with(['@', '!', '>']);
        return (off && !scoped).then(|| SudoRule { who: vec![cut(who)], nopasswd_all: true, ..SudoRule::default() });
    }
    if ["Host_Alias", "Runas_Alias", "Cmnd_Alias", "Cmd_Alias"].iter().any(|word| text.starts_with(word)) {
        return None;
    }
    let (left, right) = text.split_once('=')?;
    let who = users(left);
    (!who.is_empty()).then(|| SudoRule { who, nopasswd_all: nopasswd_all(right), ..SudoRule::default() })
}

/// The user list before the host list: words separated by commas; the first gap without a comma ends it.
fn users(left: &str) -> Vec<String> {
    let mut users = Vec::new();
    let mut rest = left.trim();
    loop {
        let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
        let word = rest[..end].trim_matches('"');
        if !word.is_empty() && !word.starts_with('!') {
            users.push(cut(word));
        }
        match rest[end..].trim_start().strip_prefix(',') {
            Some(more) if users.len() < USERS_MAX => rest = more.trim_start(),
            _ => return users,
        }
    }
}

/// True if `ALL` stands under `NOPASSWD:`; a tag holds for the commands after it until another one.
fn nopasswd_all(right: &str) -> bool {
    let mut free = false;
    for spec in without_runas(right).split(',') {
        let mut command = spec.trim();
        while let Some((tag, rest)) =
            command.split_once(':').filter(|(t, _)| t.trim().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        {
            match tag.trim() {
                "NOPASSWD" => free = true,
                "PASSWD" => free = false,
                _ => {}
            }
            command = rest.trim();
        }
        if free && command == "ALL" {
            return true;
        }
    }
    false
}

fn without_runas(right: &str) -> String {
    let mut depth = 0u32;
    let keep = right.chars().filter(|c| match c {
        '(' => {
            depth = depth.saturating_add(1);
            false
        }
        ')' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    keep.collect()
}
