//! What a host starts by itself: enabled systemd units, cron jobs, `rc.local`, `/etc/profile.d`,
//! `ld.so.preload`.
//!
//! Not read: units that generators make at boot, units of single users, sysv links in `/etc/rc?.d`
//! (systemd turns each into a unit), `at` jobs.

mod cron;
mod systemd;

use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;

/// More entries than this are not listed.
pub const ENTRIES_MAX: usize = 5_000;
/// The longest unit file, crontab or list that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// The longest command that is kept, in bytes.
const COMMAND_BYTES_MAX: usize = 1_024;

/// The way in which something is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A systemd service that a target wants or requires.
    #[default]
    Service,
    /// A systemd timer, with the command of its service.
    Timer,
    /// A systemd socket, with the command of its service.
    Socket,
    /// A systemd path unit, with the command of its service.
    Path,
    /// A line of a crontab, or a script in `/etc/cron.daily` and the like.
    Cron,
    /// `/etc/rc.local`.
    RcLocal,
    /// A script that every login shell reads.
    Profile,
    /// A library that is loaded into every program (ld.so(8)).
    Preload,
}

/// One thing that is started by itself. All text is as found: hostile text is possible.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Autostart {
    /// In which way.
    pub kind: Kind,
    /// The unit; the schedule of a cron job; the file's name.
    pub name: String,
    /// The file that says so.
    pub path: String,
    /// What is run; several commands are joined by ` ; `.
    pub command: String,
    /// The user of a cron job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// False for a script without the executable bit and for a masked unit.
    pub enabled: bool,
}

impl Autostart {
    /// The file that the (first) command runs, if it is given with its full path.
    pub fn program(&self) -> Option<&str> {
        // systemd.service(5): @ - : + ! | before the path are flags
        let command = self.command.trim_start_matches(['@', '-', ':', '+', '!', '|']).trim_start();
        let word = match command.chars().next()? {
            quote @ ('"' | '\'') => command[1..].split(quote).next()?,
            _ => command.split_ascii_whitespace().next()?,
        };
        let word = word.trim_end_matches(';');
        (word.starts_with('/') && word.len() > 1).then_some(word)
    }
}

/// Everything found, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Autostarts {
    /// By kind, name and file.
    pub list: Vec<Autostart>,
    /// Files that exist and could not be read, with the reason.
    pub unreadable: Vec<String>,
    /// True when there is more than [`ENTRIES_MAX`].
    pub cut: bool,
}

/// What the host starts by itself.
pub fn autostart(root: &Root) -> Autostarts {
    let mut reader = Reader { root, found: Autostarts::default() };
    systemd::units(&mut reader);
    cron::jobs(&mut reader);
    reader.rc_local();
    reader.profiles();
    reader.preloads();
    let mut found = reader.found;
    found.list.sort();
    found.list.dedup();
    found.cut = found.list.len() > ENTRIES_MAX;
    found.list.truncate(ENTRIES_MAX);
    found
}

struct Reader<'a> {
    root: &'a Root,
    found: Autostarts,
}

impl Reader<'_> {
    /// The text of a file that may be missing; other failures are noted.
    fn text(&mut self, path: &str) -> Option<String> {
        match self.root.read_up_to(path, FILE_BYTES_MAX) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => self.note(path, &error),
        }
    }

    fn names(&mut self, path: &str) -> Vec<String> {
        match self.root.names(path) {
            Ok(names) => names.into_iter().filter_map(|n| n.into_string().ok()).collect(),
            Err(error) => self.note(path, &error).unwrap_or_default(),
        }
    }

    fn note<T>(&mut self, path: &str, error: &SysError) -> Option<T> {
        if !error.is_not_found() && self.found.unreadable.len() < 100 {
            let cause = std::error::Error::source(error).map(|e| format!(": {e}")).unwrap_or_default();
            self.found.unreadable.push(format!("{path}{cause}"));
        }
        None
    }

    fn push(&mut self, entry: Autostart) {
        if self.found.list.len() <= ENTRIES_MAX {
            self.found.list.push(Autostart { command: cut(entry.command), name: cut(entry.name), ..entry });
        }
    }

    fn is_executable(&self, path: &str) -> bool {
        self.root.metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
    }

    fn rc_local(&mut self) {
        for path in ["/etc/rc.local", "/etc/rc.d/rc.local"] {
            if self.root.exists(path) {
                let enabled = self.is_executable(path);
                let (path, command) = (path.to_owned(), path.to_owned());
                self.push(Autostart {
                    kind: Kind::RcLocal,
                    name: "rc.local".to_owned(),
                    path,
                    command,
                    enabled,
                    user: None,
                });
            }
        }
    }

    fn profiles(&mut self) {
        for name in self.names("/etc/profile.d") {
            let path = format!("/etc/profile.d/{name}");
            if name.ends_with(".sh") && self.root.metadata(&path).is_ok_and(|m| m.is_file()) {
                let command = path.clone();
                self.push(Autostart { kind: Kind::Profile, name, path, command, enabled: true, user: None });
            }
        }
    }

    /// Libraries separated by white space or colons; `#` begins a comment (glibc's `ld.so`).
    fn preloads(&mut self) {
        let path = "/etc/ld.so.preload";
        let text = self.text(path).unwrap_or_default();
        for line in text.lines().map(|l| l.split('#').next().unwrap_or_default()) {
            for name in line.split([' ', '\t', ':']).filter(|w| !w.is_empty()) {
                let (name, path, command) = (name.to_owned(), path.to_owned(), name.to_owned());
                self.push(Autostart { kind: Kind::Preload, name, path, command, enabled: true, user: None });
            }
        }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > COMMAND_BYTES_MAX {
        text.truncate((0..=COMMAND_BYTES_MAX).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
