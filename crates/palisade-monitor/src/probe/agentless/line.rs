//! The one line that a host without an agent runs for the server, and what comes of it.

use palisade_core::Timestamp;
use palisade_sys::sample::Sample;

/// The files that are read, below /proc. What a kernel does not have is left out by `tail`.
const FILES: &str = "uptime stat loadavg meminfo vmstat sys/fs/file-nr diskstats net/dev net/snmp net/sockstat \
                     self/mountinfo pressure/cpu pressure/memory pressure/io";
/// Reads the files with a header `==> FILE <==` before each, and how full local file systems are: a
/// network file system whose server is gone must not hold the login.
const SPACE: &str = "timeout -s KILL 5 df -Pkl";
const INODES: &str = "timeout -s KILL 5 df -Pil";

/// The command, for any POSIX shell with coreutils or busybox.
pub fn command() -> String {
    format!("cd /proc; tail -n +1 {FILES}; echo; echo '==> space <=='; {SPACE}; echo; echo '==> inodes <=='; {INODES}")
}

/// The line for `authorized_keys` (sshd(8)): with this key the host runs [`command`] whatever is asked
/// for, without a terminal, forwarding or an agent.
pub fn authorized(public_key: &str) -> String {
    format!("restrict,command=\"{}\" {public_key}", command())
}

/// What the line printed, as a sample; `None` when it is something else.
pub fn sample(output: &[u8], at: Timestamp) -> Option<Sample> {
    let sections = sections(output);
    let sample = Sample::from_texts(&sections, at);
    // stat and uptime stand for the rest: without them nothing can be computed
    (sample.kernel.cpu.is_some() && sample.boot_ns > 0).then_some(sample)
}

/// The parts of the output by their headers.
fn sections(output: &[u8]) -> Vec<(&str, &[u8])> {
    let mut sections = Vec::new();
    let mut begun: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in output.split_inclusive(|&b| b == b'\n') {
        if let Some(name) = header(line) {
            sections.extend(begun.take().map(|(name, from)| (name, &output[from..at])));
            begun = Some((name, at + line.len()));
        }
        at += line.len();
    }
    sections.extend(begun.map(|(name, from)| (name, &output[from..])));
    sections
}

/// `==> FILE <==`, for the names that are asked for.
fn header(line: &[u8]) -> Option<&str> {
    let name = line.strip_prefix(b"==> ")?.trim_ascii_end().strip_suffix(b" <==")?;
    let name = std::str::from_utf8(name).ok()?;
    let is_asked = name == "space" || name == "inodes" || FILES.split_whitespace().any(|file| file == name);
    is_asked.then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_line_for_the_host_has_no_quote_that_would_end_its_command() {
        let line = authorized("ssh-ed25519 AAAA palisade");
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains('\n') && !line.contains('$') && !line.contains('%'), "{line}");
        assert!(line.starts_with("restrict,command=\"cd /proc; tail -n +1 uptime stat "), "{line}");
    }

    #[test]
    fn what_the_line_prints_on_this_machine_is_a_sample() {
        // the test runs the very line that hosts run, in a shell as sshd does
        let output = std::process::Command::new("sh").arg("-c").arg(command()).output().unwrap().stdout;
        let now = Timestamp::now();
        let sample = sample(&output, now).unwrap();
        assert!(sample.at == now && sample.kernel.memory.is_some() && sample.kernel.load.is_some());
        assert!(sample.sockets.is_some() && sample.tcp.is_some() && sample.kernel.files.is_some());
        let root = sample.mounts.iter().find(|mount| mount.point == "/");
        assert!(root.is_none_or(|root| root.space.is_some_and(|space| space.total_bytes > 0)), "{root:?}");
    }

    #[test]
    fn what_is_something_else_is_no_sample() {
        for output in
            ["", "This account is currently not available.\n", "==> stat <==\nnonsense\n", "==> uptime <==\n1 1\n"]
        {
            assert!(sample(output.as_bytes(), Timestamp::now()).is_none(), "{output}");
        }
    }
}
