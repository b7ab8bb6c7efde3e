//! Directories that web servers show: nginx's `root`, Apache's `DocumentRoot`, with their includes,
//! and `/var/www` where it exists.
//!
//! Not followed: paths with variables that only a request fills (`$host`), `alias`, container images.

mod glob;
mod scan;

use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// How many configuration files are read, by includes.
const FILES_MAX: usize = 1_000;
/// The longest configuration file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// More web roots than this are not listed.
pub const WEBROOTS_MAX: usize = 1_000;

/// A directory that a web server shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Webroot {
    /// The directory.
    pub path: String,
    /// `nginx` or `apache`; empty for `/var/www` without any configuration.
    pub server: String,
    /// The file that says so.
    pub config: String,
}

/// The web roots of a host, and configuration files that could not be read.
pub fn webroots(root: &Root) -> (Vec<Webroot>, Vec<String>) {
    let mut walk = Walk { root, seen: BTreeSet::new(), found: BTreeSet::new(), unreadable: Vec::new() };
    walk.nginx("/etc/nginx/nginx.conf");
    let mut debian = Apache::new("/etc/apache2");
    walk.apache("/etc/apache2/apache2.conf", &mut debian);
    let mut rhel = Apache::new("/etc/httpd");
    walk.apache("/etc/httpd/conf/httpd.conf", &mut rhel);
    let www = "/var/www";
    if root.metadata(www).is_ok_and(|m| m.is_dir()) && !walk.found.iter().any(|w| covers(www, &w.path)) {
        walk.found.insert(Webroot { path: www.to_owned(), ..Webroot::default() });
    }
    (walk.found.into_iter().take(WEBROOTS_MAX).collect(), walk.unreadable)
}

fn covers(dir: &str, path: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Walk<'a> {
    root: &'a Root,
    seen: BTreeSet<String>,
    found: BTreeSet<Webroot>,
    unreadable: Vec<String>,
}

/// What Apache's includes and paths depend on.
struct Apache {
    server_root: String,
    defines: HashMap<String, String>,
}

impl Apache {
    fn new(server_root: &str) -> Apache {
        Apache { server_root: server_root.to_owned(), defines: HashMap::new() }
    }

    /// With `${NAME}` of `Define` filled in, and made absolute; `None` if a variable is not known.
    fn path(&self, text: &str) -> Option<String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, left) = after.split_once('}')?;
            whole.push_str(before);
            whole.push_str(self.defines.get(name)?);
            rest = left;
        }
        whole.push_str(rest);
        Some(absolute(&whole, &self.server_root))
    }
}

fn absolute(path: &str, base: &str) -> String {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", base.trim_end_matches('/')) };
    if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
}

impl Walk<'_> {
    /// The text of a file not read yet.
    fn text(&mut self, path: &str) -> Option<String> {
        if self.seen.len() >= FILES_MAX || !self.seen.insert(path.to_owned()) {
            return None;
        }
        match self.root.read_up_to(path, FILE_BYTES_MAX) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => self.note(path, &error),
        }
    }

    fn note(&mut self, path: &str, error: &SysError) -> Option<String> {
        if !error.is_not_found() && self.unreadable.len() < 100 {
            self.unreadable.push(path.to_owned());
        }
        None
    }

    fn nginx(&mut self, path: &str) {
        let Some(text) = self.text(path) else { return };
        for words in scan::nginx(&text) {
            match words.as_slice() {
                [name, value] if name == "root" && !value.contains('$') => {
                    self.add(absolute(value, "/usr/share/nginx"), "nginx", path)
                }
                [name, value] if name == "include" => {
                    for file in glob::files(self.root, &absolute(value, "/etc/nginx")) {
                        self.nginx(&file);
                    }
                }
                _ => {}
            }
        }
    }

    fn apache(&mut self, path: &str, apache: &mut Apache) {
        let Some(text) = self.text(path) else { return };
        for words in scan::apache(&text) {
            let Some(value) = words.get(1) else { continue };
            match words[0].to_ascii_lowercase().as_str() {
                "define" => {
                    apache.defines.insert(value.clone(), words.get(2).cloned().unwrap_or_default());
                }
                "serverroot" => apache.server_root.clone_from(value),
                "documentroot" => {
                    if let Some(dir) = apache.path(value) {
                        self.add(dir, "apache", path);
                    }
                }
                "include" | "includeoptional" => {
                    for file in apache.path(value).map(|p| glob::files(self.root, &p)).unwrap_or_default() {
                        self.apache(&file, apache);
                    }
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, path: String, server: &str, config: &str) {
        if self.found.len() < WEBROOTS_MAX {
            self.found.insert(Webroot { path, server: server.to_owned(), config: config.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests;
