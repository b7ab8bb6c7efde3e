//! sshd_config(5) as files: includes in place, the first value wins, `Match` blocks told apart.

use super::{CONFIG, Source, Sshd};
use crate::Root;
use crate::accounts::said;
use serde::{Deserialize, Serialize};

/// How deep files may include each other, as in OpenSSH.
const DEPTH_MAX: u32 = 16;
/// How many files are read in all.
const FILES_MAX: u32 = 256;
/// How many settings are kept.
const SETTINGS_MAX: usize = 4_096;
/// The longest line in bytes; longer ones are passed over.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Keywords that may stand more than once; their values are joined by a blank.
const MANY: [&str; 8] =
    ["port", "listenaddress", "hostkey", "acceptenv", "allowusers", "allowgroups", "denyusers", "denygroups"];
/// Old names of keywords, and the new ones.
const RENAMED: [(&str, &str); 5] = [
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"),
    ("dsaauthentication", "pubkeyauthentication"),
];

/// One setting and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// In lower case.
    pub keyword: String,
    /// Without quotes, blanks made single.
    pub value: String,
    /// The file, or nothing for a default.
    pub file: String,
    /// The line, from 1; 0 for a default.
    pub line: u32,
    /// The criteria of the `Match` block that it stands in.
    pub when: Option<String>,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.keyword, self.value)?;
        if let Some(when) = &self.when {
            write!(f, " (Match {when})")?;
        }
        match (self.file.as_str(), self.line) {
            ("", _) => write!(f, ", by default"),
            (file, 0) => write!(f, ", {file}"),
            (file, line) => write!(f, ", {file}:{line}"),
        }
    }
}

/// Reads the files of a host. The source says `Files` if the main file exists.
pub(super) fn read(root: &Root) -> Sshd {
    let mut reader = Reader { root: Some(root), sshd: Sshd::default(), files: 0 };
    reader.file(CONFIG, None, 0);
    reader.sshd
}

/// What one text says, includes not followed.
pub fn parse(file: &str, text: &str) -> Sshd {
    let mut reader = Reader { root: None, sshd: Sshd::default(), files: 0 };
    reader.text(file, text, None, 0);
    reader.sshd
}

struct Reader<'a> {
    root: Option<&'a Root>,
    sshd: Sshd,
    files: u32,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, when: Option<&str>, depth: u32) {
        self.files += 1;
        let Some(root) = self.root.filter(|_| depth <= DEPTH_MAX && self.files <= FILES_MAX) else { return };
        match root.text_if_exists(path) {
            Ok(Some(text)) => self.text(path, &text, when, depth),
            Ok(None) => {}
            Err(error) => {
                self.sshd.source = Source::Files; // it is there, and says nothing to us
                self.sshd.error.get_or_insert(said(error));
            }
        }
    }

    /// A `Match` block ends with its file: an included one never changes what holds after it.
    fn text(&mut self, file: &str, text: &str, outer: Option<&str>, depth: u32) {
        self.sshd.source = Source::Files;
        let mut when = outer.map(str::to_owned);
        for (number, line) in (1u32..).zip(text.lines()) {
            if line.len() > LINE_BYTES_MAX {
                continue;
            }
            let Some((keyword, arguments)) = words(line) else { continue };
            match keyword.as_str() {
                "match" => {
                    let criteria = arguments.join(" ");
                    let every = criteria.eq_ignore_ascii_case("all");
                    when = if every { outer.map(str::to_owned) } else { Some(criteria) };
                }
                "include" => {
                    for pattern in &arguments {
                        for path in self.expand(pattern) {
                            self.file(&path, when.as_deref(), depth + 1);
                        }
                    }
                }
                _ => self.put(Setting {
                    keyword,
                    value: arguments.join(" "),
                    file: file.to_owned(),
                    line: number,
                    when: when.clone(),
                }),
            }
        }
    }

    fn put(&mut self, setting: Setting) {
        if self.sshd.settings.len() + self.sshd.matched.len() >= SETTINGS_MAX {
            return;
        }
        if setting.when.is_some() {
            self.sshd.matched.push(setting);
            return;
        }
        match self.sshd.settings.get_mut(&setting.keyword) {
            None => {
                self.sshd.settings.insert(setting.keyword.clone(), setting);
            }
            Some(first) if MANY.contains(&setting.keyword.as_str()) && first.value.len() < LINE_BYTES_MAX => {
                first.value.push(' ');
                first.value.push_str(&setting.value);
            }
            Some(_) => {}
        }
    }

    /// The files that an `Include` names, sorted as glob(7) does. Only the last part of the path
    /// may be a pattern; OpenSSH allows more, no distribution uses it.
    fn expand(&self, pattern: &str) -> Vec<String> {
        let path = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
        let (Some((dir, name)), Some(root)) = (path.rsplit_once('/'), self.root) else { return Vec::new() };
        if !name.contains(['*', '?', '[']) {
            return vec![path];
        }
        let names = root.names(if dir.is_empty() { "/" } else { dir }).unwrap_or_default();
        let hidden = |n: &str| n.starts_with('.') && !name.starts_with('.');
        let names =
            names.iter().filter_map(|n| n.to_str()).filter(|n| !hidden(n) && glob(name.as_bytes(), n.as_bytes()));
        names.take(FILES_MAX as usize).map(|n| format!("{dir}/{n}")).collect()
    }
}

/// Keyword in lower case and arguments; `None` for an empty line or a comment.
fn words(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let word = line[..end].trim_matches('"').to_ascii_lowercase();
    if word.is_empty() || word.starts_with('#') {
        return None;
    }
    let renamed = RENAMED.iter().find(|(old, _)| *old == word).map(|(_, new)| (*new).to_owned());
    let rest = line[end..].trim_start().strip_prefix('=').unwrap_or(&line[end..]);
    Some((renamed.unwrap_or(word), arguments(rest)))
}

/// Split at blanks outside quotes; a `#` at the start of a word begins a comment.
fn arguments(rest: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut begun = false;
    for c in rest.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => (quote, begun) = (Some(c), true),
            (None, '#') if !begun => break,
            (None, c) if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// glob(7) in one path component: `*`, `?`, and `[…]` with ranges and `!`. Linear in practice: one
/// point to go back to.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, n));
            p += 1;
        } else if let Some(length) = one(&pattern[p.min(pattern.len())..], name[n]) {
            (p, n) = (p + length, n + 1);
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (p, n) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// How many bytes of the pattern match this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let close = pattern.iter().skip(2).position(|b| *b == b']')? + 2;
            let (not, set) = match &pattern[1..close] {
                [b'!' | b'^', set @ ..] => (true, set),
                set => (false, set),
            };
            let range = |w: &[u8]| w[1] == b'-' && (w[0]..=w[2]).contains(&byte);
            let within = set.contains(&byte) || set.windows(3).any(range);
            (within != not).then_some(close + 1)
        }
        b => (*b == byte).then_some(1),
    }
}
