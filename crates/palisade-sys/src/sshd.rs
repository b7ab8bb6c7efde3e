//! The SSH server of a host: its effective settings, its host keys, and who may log on by key.
//!
//! On a running host `sshd -T` tells the settings, as the server itself reads them; the files tell
//! where each stands. In a scratch root, or where `sshd -T` does not work (no right to read the
//! host keys, no `/run/sshd`), the files alone are read: sshd_config(5), OpenSSH 9.

mod config;
mod effective;
mod keys;

use crate::Root;
use crate::accounts::said;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use config::{Setting, parse};
pub use keys::{AuthorizedKeys, HostKey, Key, PathMode, authorized_keys, host_keys, key};

/// The main file.
pub const CONFIG: &str = "/etc/ssh/sshd_config";

/// Where the values come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// No SSH server is installed.
    #[default]
    Absent,
    /// `sshd -T`.
    Effective,
    /// The configuration files.
    Files,
}

/// The settings of the SSH server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sshd {
    /// Where the values come from.
    pub source: Source,
    /// Why `sshd -T` was not used, if it was tried.
    pub fallback: Option<String>,
    /// Why a file could not be read.
    pub error: Option<String>,
    /// What holds for every connection, by keyword in lower case; what is not here has its default.
    pub settings: BTreeMap<String, Setting>,
    /// What holds in `Match` blocks only, in file order.
    pub matched: Vec<Setting>,
}

impl Sshd {
    /// True if there is a server to judge.
    pub fn is_installed(&self) -> bool {
        self.source != Source::Absent
    }

    /// What holds for every connection: as set, or the default of OpenSSH 9. `keyword` in lower case.
    pub fn get(&self, keyword: &str) -> Setting {
        self.settings.get(keyword).cloned().unwrap_or_else(|| Setting {
            keyword: keyword.to_owned(),
            value: default_of(keyword).to_owned(),
            ..Setting::default()
        })
    }

    /// The global value and those in `Match` blocks.
    pub fn all(&self, keyword: &str) -> Vec<Setting> {
        let inside = self.matched.iter().filter(|s| s.keyword == keyword).cloned();
        std::iter::once(self.get(keyword)).chain(inside).collect()
    }
}

/// Defaults of sshd_config(5), OpenSSH 9; algorithm lists are left out, as none of the built-in
/// ones is weak.
const DEFAULTS: [(&str, &str); 15] = [
    ("authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2"),
    ("hostbasedauthentication", "no"),
    ("ignorerhosts", "yes"),
    ("kbdinteractiveauthentication", "yes"),
    ("logingracetime", "120"),
    ("maxauthtries", "6"),
    ("passwordauthentication", "yes"),
    ("permitemptypasswords", "no"),
    ("permitrootlogin", "prohibit-password"),
    ("permituserenvironment", "no"),
    ("port", "22"),
    ("protocol", "2"),
    ("strictmodes", "yes"),
    ("usepam", "no"),
    ("x11forwarding", "no"),
];

fn default_of(keyword: &str) -> &'static str {
    DEFAULTS.iter().find(|(name, _)| *name == keyword).map_or("", |(_, value)| value)
}

/// The settings of the SSH server; [`Source::Absent`] if neither program nor configuration is there.
pub fn sshd(root: &Root) -> Sshd {
    let mut sshd = config::read(root);
    let program = effective::PROGRAMS.into_iter().find(|path| root.exists(path));
    if sshd.source == Source::Absent && program.is_none() {
        return sshd;
    }
    sshd.source = Source::Files;
    if let (true, Some(program)) = (root.is_live(), program) {
        match effective::ask(program) {
            Ok(text) => effective::merge(&mut sshd, &text),
            Err(error) => sshd.fallback = Some(said(error)),
        }
    }
    sshd
}

#[cfg(test)]
mod real_tests;
#[cfg(test)]
mod tests;
