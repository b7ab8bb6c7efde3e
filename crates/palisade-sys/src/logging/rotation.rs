//! How long logrotate keeps the logs of sign-ins: logrotate.conf(5).

use super::texts;
use crate::Root;

const DAYS: [(&str, u64); 5] = [("hourly", 0), ("daily", 1), ("weekly", 7), ("monthly", 30), ("yearly", 365)];
/// `maxsize` and `size` rotate by size, so that a time cannot be told from the count alone.
const LOGS: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];

/// How the logs of sign-ins are rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The file that says so.
    pub file: String,
    /// How many old copies are kept.
    pub rotate: u64,
    /// Days between two rotations; 0 for hourly.
    pub period_days: u64,
    /// How many days logs are kept at most.
    pub kept_days: u64,
}

/// The rotation of the logs of sign-ins; `None` when they are not rotated.
pub fn read(root: &Root, unread: &mut Vec<String>) -> Option<Rotation> {
    let files = texts(root, "/etc/logrotate.conf", &["/etc/logrotate.d"], None, unread);
    let globals = files.iter().filter(|(path, _)| path == "/etc/logrotate.conf").flat_map(|(_, text)| stanzas(text));
    let mut rules = Rules::default();
    globals.filter(|s| s.paths.is_empty()).for_each(|s| rules.take(&s.lines));
    files.iter().find_map(|(path, text)| {
        let stanza =
            stanzas(text).into_iter().find(|s| s.paths.iter().any(|p| LOGS.iter().any(|log| matches(p, log))))?;
        let mut own = rules;
        own.take(&stanza.lines);
        Some(own.rotation(path))
    })
}

/// What stands in braces, with the paths before them; the lines outside have no paths.
struct Stanza<'a> {
    paths: Vec<&'a str>,
    lines: Vec<&'a str>,
}

fn stanzas(text: &str) -> Vec<Stanza<'_>> {
    let mut out = vec![Stanza { paths: Vec::new(), lines: Vec::new() }];
    let mut paths: Vec<&str> = Vec::new();
    let (mut inside, mut script) = (false, false);
    for line in text.lines().map(|l| l.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()) {
        if script {
            script = line != "endscript";
        } else if matches!(line, "postrotate" | "prerotate" | "firstaction" | "lastaction" | "preremove") {
            script = true;
        } else if inside {
            inside = !line.starts_with('}');
            out.last_mut().into_iter().filter(|_| inside).for_each(|s| s.lines.push(line));
        } else if let Some(before) = line.strip_suffix('{') {
            paths.extend(before.split_whitespace());
            out.push(Stanza { paths: std::mem::take(&mut paths), lines: Vec::new() });
            inside = true;
        } else if line.starts_with(['/', '"']) {
            paths.extend(line.split_whitespace());
        } else {
            out[0].lines.push(line);
        }
    }
    out
}

/// `/var/log/auth.log`, with one `*` allowed.
fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_matches('"');
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => {
            let room = path.len() >= before.len() + after.len();
            room && path.starts_with(before)
                && path.ends_with(after)
                && !path[before.len()..path.len() - after.len()].contains('/')
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    rotate: u64,
    period_days: Option<u64>,
    maxage_days: Option<u64>,
}

impl Rules {
    fn take(&mut self, lines: &[&str]) {
        for line in lines {
            let mut words = line.split_whitespace();
            let (word, value) = (words.next().unwrap_or_default(), words.next());
            let number = || value.and_then(|v| v.parse::<i64>().ok());
            match word {
                // -1 keeps all
                "rotate" => self.rotate = number().map_or(self.rotate, |n| u64::try_from(n).unwrap_or(u64::MAX)),
                "maxage" => self.maxage_days = number().and_then(|n| u64::try_from(n).ok()),
                _ => {
                    let period = DAYS.iter().find(|(name, _)| *name == word).map(|(_, days)| *days);
                    self.period_days = period.or(self.period_days);
                }
            }
        }
    }

    fn rotation(self, file: &str) -> Rotation {
        // logrotate(8) rotates weekly when nothing is said
        let period_days = self.period_days.unwrap_or(7);
        let kept = self.rotate.saturating_mul(period_days);
        Rotation {
            file: file.to_owned(),
            rotate: self.rotate,
            period_days,
            kept_days: self.maxage_days.map_or(kept, |maxage| kept.min(maxage)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const DEBIAN: &str = "\
/var/log/syslog
/var/log/mail.log
/var/log/auth.log
{
\trotate 4
\tweekly
\tmissingok
\tsharedscripts
\tpostrotate
\t\t/usr/lib/rsyslog/rsyslog-rotate
\tendscript
}
";
    const RHEL: &str = "/var/log/cron\n/var/log/secure\n/var/log/spooler\n{\n    missingok\n    sharedscripts\n}\n";

    fn rotation(conf: &str, rsyslog: &str) -> Option<Rotation> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(dir.path().join("etc/logrotate.d")).expect("made");
        fs::write(dir.path().join("etc/logrotate.conf"), conf).expect("written");
        fs::write(dir.path().join("etc/logrotate.d/rsyslog"), rsyslog).expect("written");
        read(&Root::scratch(dir.path()).expect("it exists"), &mut Vec::new())
    }

    #[test]
    fn the_files_of_debian_and_red_hat_are_read() {
        let kept = |conf, rsyslog| rotation(conf, rsyslog).map(|r| (r.rotate, r.period_days, r.kept_days));
        assert_eq!(kept("weekly\nrotate 4\ncreate\ninclude /etc/logrotate.d\n", DEBIAN), Some((4, 7, 28)));
        assert_eq!(kept("monthly\nrotate 12\n", RHEL), Some((12, 30, 360)));
        assert_eq!(kept("daily\nrotate 400\n", "/var/log/*.log {\nmaxage 30\n}\n"), Some((400, 1, 30)));
        assert_eq!(kept("weekly\n", "/var/log/other.log {\nrotate 1\n}\n"), None);
        assert_eq!(kept("", "/var/log/secure {\nrotate -1\n}\n").map(|k| k.2), Some(u64::MAX));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\PC\n{}/]{0,200}") {
            for stanza in stanzas(&text) {
                let mut rules = Rules::default();
                rules.take(&stanza.lines);
                let _ = (rules.rotation("x"), stanza.paths.iter().any(|p| matches(p, LOGS[0])));
            }
        }
    }
}
