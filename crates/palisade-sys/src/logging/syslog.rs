//! Where syslog daemons send logs to: rsyslog.conf(5), syslog-ng.conf(5).

use super::texts;
use crate::Root;

/// Most targets that are told, and the longest line of one.
const TARGETS_MAX: usize = 50;
const LINE_CHARS_MAX: usize = 200;

/// The lines that send logs to another machine, each with its file: `/etc/rsyslog.conf: *.* @@logs:514`.
pub fn remote_targets(root: &Root, unread: &mut Vec<String>) -> Vec<String> {
    let rsyslog = texts(root, "/etc/rsyslog.conf", &["/etc/rsyslog.d"], Some("conf"), unread);
    let syslog_ng = texts(root, "/etc/syslog-ng/syslog-ng.conf", &["/etc/syslog-ng/conf.d"], Some("conf"), unread);
    let mut out = Vec::new();
    for (files, is_target) in [(rsyslog, is_rsyslog_target as fn(&str) -> bool), (syslog_ng, is_syslog_ng_target)] {
        for (path, text) in files {
            let lines = text.lines().map(str::trim).filter(|l| !l.starts_with('#') && is_target(l));
            out.extend(lines.map(|line| format!("{path}: {}", line.chars().take(LINE_CHARS_MAX).collect::<String>())));
        }
    }
    out.truncate(TARGETS_MAX);
    out
}

/// `selector @host`, `selector @@host`, `action(type="omfwd" …)`, `action(type="omrelp" …)`.
fn is_rsyslog_target(line: &str) -> bool {
    let compact: String = line.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    if compact.contains("type=\"omfwd\"") || compact.contains("type=\"omrelp\"") || compact.contains(":omrelp:") {
        return true;
    }
    let mut words = line.split_whitespace();
    let selector = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default().trim_start_matches('-');
    selector.contains('.')
        && target
            .strip_prefix('@')
            .is_some_and(|t| t.trim_start_matches('@').starts_with(|c: char| c.is_alphanumeric() || "[(".contains(c)))
}

/// `destination d { network("logs" …); };` and its older forms.
fn is_syslog_ng_target(line: &str) -> bool {
    let compact: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    // the same drivers as sources have no address in quotes first
    ["network(\"", "syslog(\"", "tcp(\"", "udp(\"", "tcp6(\"", "udp6(\""].iter().any(|d| compact.contains(d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets_of_rsyslog_are_found() {
        for line in [
            "*.* @@logs.example.net:514",
            "auth,authpriv.*\t@10.0.0.9",
            "*.* action(type=\"omfwd\" target=\"logs\" port=\"514\")",
            "*.* @@(o)logs:6514",
        ] {
            assert!(is_rsyslog_target(line), "{line}");
        }
        for line in [
            "auth,authpriv.* /var/log/auth.log",
            "module(load=\"imuxsock\")",
            "$IncludeConfig /etc/rsyslog.d/*.conf",
            "*.emerg :omusrmsg:*",
            "",
        ] {
            assert!(!is_rsyslog_target(line), "{line}");
        }
    }

    #[test]
    fn targets_of_syslog_ng_are_found() {
        assert!(is_syslog_ng_target("destination d_net { network(\"10.0.0.9\" port(514)); };"));
        assert!(!is_syslog_ng_target("source s_net { network(ip(0.0.0.0) port(514)); };"));
        assert!(!is_syslog_ng_target("destination d_auth { file(\"/var/log/auth.log\"); };"));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "\\PC{0,100}") {
            let _ = is_rsyslog_target(&line) || is_syslog_ng_target(&line);
        }
    }
}
