//! Where packages come from: sources.list(5), in lines and in deb822 form.

use crate::deb822;
use crate::{Root, SysError};
use std::path::{Path, PathBuf};

const LIST: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";
/// Most bytes of one file, and most sources of all.
const FILE_BYTES_MAX: u64 = 1 << 20;
const SOURCES_MAX: usize = 1_000;

/// One archive of binary packages that apt is told to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file that it stands in.
    pub file: String,
    /// Where: `http://deb.example.org/debian`. May contain a password; not for showing.
    pub uri: String,
    /// Which suite: `bookworm-security`, or a directory ending in `/`.
    pub suite: String,
    /// True when it is an archive of security updates, by its name.
    pub security: bool,
    /// True when its Release file has been downloaded.
    pub listed: bool,
}

impl Source {
    fn new(file: &Path, uri: &str, suite: &str) -> Source {
        let security = suite.ends_with("-security")
            || uri.contains("debian-security")
            || uri.contains("://security.")
            || (suite.ends_with("/updates") && uri.contains("security"));
        Source {
            file: file.display().to_string(),
            uri: uri.to_owned(),
            suite: suite.to_owned(),
            security,
            listed: false,
        }
    }

    /// The address without a user and password.
    pub fn uri_shown(&self) -> String {
        match (self.uri.split_once("://"), self.uri.split_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            _ => self.uri.clone(),
        }
    }

    /// How the names of its lists begin; `None` for methods that name them otherwise.
    fn prefix(&self) -> Option<String> {
        let (scheme, rest) = self.uri.split_once(':')?;
        if !matches!(scheme, "http" | "https" | "file" | "copy" | "ftp") {
            return None;
        }
        let rest = rest.trim_start_matches("//").trim_end_matches('/');
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let place = quoted(&format!("{authority}{path}"));
        Some(match self.suite.strip_suffix('/') {
            Some("") => format!("{place}_"),
            Some(dir) => format!("{place}_{}_", quoted(dir)),
            None => format!("{place}_dists_{}_", quoted(&self.suite)),
        })
    }

    /// The source, with `listed` set if one of the prefixes of Release files is its own.
    pub(super) fn listed_in<'a>(mut self, mut releases: impl Iterator<Item = &'a str>) -> Source {
        self.listed = match self.prefix() {
            Some(prefix) => releases.any(|r| r == prefix),
            None => releases.next().is_some(),
        };
        self
    }
}

/// apt's name for an address in a file name (`URItoFileName`): `_` for `/`, `%5f` for `_`.
fn quoted(text: &str) -> String {
    let quote = |c: char| match c {
        '/' => "_".to_owned(),
        '\\' | '|' | '{' | '}' | '[' | ']' | '<' | '>' | '"' | '^' | '~' | '_' | '=' | '!' | '@' | '#' | '$' | '%'
        | '&' | '*' => {
            format!("%{:02x}", c as u32)
        }
        plain => plain.to_string(),
    };
    text.chars().map(quote).collect()
}

/// True if a list of this name belongs to a configured source. True for all when a source names
/// its lists in a way that is not known here.
pub(super) fn uses(sources: &[Source], list: &str) -> bool {
    sources.is_empty() || sources.iter().any(|s| s.prefix().is_none_or(|p| list.starts_with(&p)))
}

/// The files that hold sources.
pub(super) fn files(root: &Root) -> Result<Vec<PathBuf>, SysError> {
    let parts = root.names(PARTS)?.into_iter().map(|name| Path::new(PARTS).join(name));
    let wanted = |path: &PathBuf| path.extension().is_some_and(|e| e == "list" || e == "sources");
    Ok([PathBuf::from(LIST)].into_iter().chain(parts.filter(wanted)).collect())
}

/// All enabled sources of binary packages. A file that cannot be read is passed over.
pub(super) fn read(root: &Root) -> Result<Vec<Source>, SysError> {
    let mut all = Vec::new();
    for path in files(root)? {
        let Ok(bytes) = root.read_up_to(&path, FILE_BYTES_MAX) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        if path.extension().is_some_and(|e| e == "sources") {
            all.extend(paragraphs(&path, &text));
        } else {
            all.extend(text.lines().filter_map(|l| line(&path, l)));
        }
    }
    all.truncate(SOURCES_MAX);
    Ok(all)
}

/// `deb [ option=value … ] uri suite component …`
fn line(file: &Path, text: &str) -> Option<Source> {
    let text = text.split('#').next().unwrap_or_default().trim();
    let rest = text.strip_prefix("deb").filter(|r| r.starts_with([' ', '\t']))?.trim_start();
    let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
    let mut words = rest.split_whitespace();
    Some(Source::new(file, words.next()?, words.next()?))
}

fn paragraphs(file: &Path, text: &str) -> Vec<Source> {
    let mut out = Vec::new();
    // reading from memory cannot fail
    let _ = deb822::paragraphs(text.as_bytes(), |paragraph| {
        out.extend(paragraph_sources(file, &deb822::folded(paragraph.bytes)));
        std::ops::ControlFlow::Continue(())
    });
    out
}

fn paragraph_sources(file: &Path, fields: &[(String, String)]) -> Vec<Source> {
    let words = |name: &str| -> Vec<&str> {
        let field = fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.split_whitespace().take(SOURCES_MAX).collect()).unwrap_or_default()
    };
    let off =
        words("Enabled").first().is_some_and(|w| matches!(w.to_lowercase().as_str(), "no" | "false" | "off" | "0"));
    if off || !words("Types").contains(&"deb") {
        return Vec::new();
    }
    let suites = words("Suites");
    let each = |uri: &str| suites.iter().map(|suite| Source::new(file, uri, suite)).collect::<Vec<_>>();
    words("URIs").into_iter().take(32).flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<(String, String, bool)> {
        text.lines().filter_map(|l| line(Path::new("x"), l)).map(|s| (s.uri, s.suite, s.security)).collect()
    }

    #[test]
    fn the_lines_of_debian_and_ubuntu_are_read() {
        let said = lines(
            "# comment\ndeb http://deb.example.org/debian bookworm main contrib # end\ndeb-src http://deb.example.org/debian bookworm main\n\
             deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://security.ubuntu.com/ubuntu noble-security main\n\
             deb http://security.example.org/ buster/updates main\ndebug http://x y\ndeb\ndeb [broken http://x y\n",
        );
        let uris: Vec<_> = said.iter().map(|(uri, suite, security)| format!("{uri} {suite} {security}")).collect();
        assert_eq!(
            uris,
            [
                "http://deb.example.org/debian bookworm false",
                "http://security.ubuntu.com/ubuntu noble-security true",
                "http://security.example.org/ buster/updates true"
            ]
        );
    }

    #[test]
    fn deb822_sources_are_read_and_disabled_ones_left_out() {
        let text = "# Debian 12\nTypes: deb deb-src\nURIs: http://deb.example.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://deb.example.org/debian-security\nSuites: bookworm-security\nComponents: main\nEnabled: no\n";
        let suites: Vec<_> = paragraphs(Path::new("x"), text).into_iter().map(|s| s.suite).collect();
        assert_eq!(suites, ["bookworm", "bookworm-updates"]);
    }

    #[test]
    fn the_names_of_lists_are_those_of_apt() {
        let prefix = |uri: &str, suite: &str| Source::new(Path::new("x"), uri, suite).prefix();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            prefix("http://deb.example.org/debian/", "bookworm"),
            some("deb.example.org_debian_dists_bookworm_")
        );
        assert_eq!(prefix("https://user:secret@host:8080/a_b", "stable"), some("host:8080_a%5fb_dists_stable_"));
        assert_eq!(
            prefix("http://security.example.org", "buster/updates"),
            some("security.example.org_dists_buster_updates_")
        );
        assert_eq!(prefix("https://host/repo", "./"), some("host_repo_._"));
        assert_eq!(prefix("https://host/repo", "/"), some("host_repo_"));
        assert_eq!(prefix("file:/srv/repo", "x"), some("_srv_repo_dists_x_"));
        assert_eq!(prefix("cdrom:[Debian]/", "bookworm"), None);
    }

    #[test]
    fn passwords_are_not_shown() {
        let source = Source::new(Path::new("x"), "https://user:secret@host/a", "s");
        assert_eq!(source.uri_shown(), "https://host/a");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\PC\n]{0,200}") {
            let _ = lines(&text).len() + paragraphs(Path::new("x"), &text).len();
        }
    }
}
