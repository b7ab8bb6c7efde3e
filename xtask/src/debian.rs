//! What a machine has and lacks, and installing what is missing with Debian's own tool.

use crate::run;
use anyhow::{Result, bail};
use nix::unistd::Uid;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// A version of Node.js: major, minor.
pub type NodeVersion = (u32, u32);

/// True if `program` is in `PATH` or where Debian keeps what only root has in its path.
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}

/// The version of Node.js in `PATH`.
pub fn node_version() -> Option<NodeVersion> {
    let out = run::quiet(run::command("node", &["--version"])).ok()?;
    version(String::from_utf8_lossy(&out).trim().strip_prefix('v')?)
}

/// The version of `package` that apt would install.
pub fn candidate(package: &str) -> Option<NodeVersion> {
    let out = run::quiet(run::command("apt-cache", &["policy", package])).ok()?;
    let text = String::from_utf8_lossy(&out).into_owned();
    version(text.lines().find_map(|l| l.trim().strip_prefix("Candidate: "))?)
}

/// The first two numbers of a version, past a Debian epoch.
fn version(text: &str) -> Option<NodeVersion> {
    let upstream = text.split_once(':').map_or(text, |(_, rest)| rest);
    let mut numbers = upstream.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// True if the console's tools run on this Node.js: `^20.19 || >=22.12`, which is what Vite asks for.
pub fn node_serves(version: NodeVersion) -> bool {
    match version {
        (20, minor) => minor >= 19,
        (22, minor) => minor >= 12,
        (major, _) => major > 22,
    }
}

/// How a yes-or-no question was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Nobody is there to answer.
    Nobody,
}

/// Asks on the terminal; `yes` answers beforehand.
pub fn confirm(question: &str, yes: bool) -> Answer {
    if yes {
        return Answer::Yes;
    }
    if !std::io::stdin().is_terminal() {
        return Answer::Nobody;
    }
    print!("{question} [y/N] ");
    let _ = std::io::stdout().flush(); // the question may be lost, the answer is still read
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Answer::Yes,
        _ => Answer::No,
    }
}

/// Installs packages with apt-get: as root, or through sudo.
pub fn install(packages: &[&str]) -> Result<()> {
    if !has("apt-get") {
        bail!("there is no apt-get here; install these with your system's own tool: {}", packages.join(" "));
    }
    let sudo = !Uid::effective().is_root();
    if sudo && !has("sudo") {
        bail!("installing needs root, and there is no sudo; as root: apt-get install {}", packages.join(" "));
    }
    apt(sudo, &["update", "-q"])?;
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(packages);
    apt(sudo, &args)
}

fn apt(sudo: bool, args: &[&str]) -> Result<()> {
    let mut command = if sudo {
        // `env` because sudo drops the variable otherwise
        run::command("sudo", &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
    } else {
        run::command("apt-get", &[])
    };
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    run::show(command)
}

/// Something that the tests use, and how it is known to be there.
pub struct TestTool {
    /// A program in the path, or a file by its absolute path.
    pub proof: &'static str,
    /// The Debian package that brings it.
    pub package: &'static str,
}

/// What the tests use beyond the toolchain.
pub const TEST_TOOLS: [TestTool; 14] = [
    TestTool { proof: "nft", package: "nftables" },
    TestTool { proof: "iptables-nft", package: "iptables" },
    TestTool { proof: "nmap", package: "nmap" },
    TestTool { proof: "ip", package: "iproute2" },
    TestTool { proof: "ping", package: "iputils-ping" },
    TestTool { proof: "chromium", package: "chromium" },
    TestTool { proof: "sshd", package: "openssh-server" },
    TestTool { proof: "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", package: "fonts-dejavu-core" },
    TestTool { proof: "systemd-analyze", package: "systemd" },
    TestTool { proof: "ps", package: "procps" },
    TestTool { proof: "curl", package: "curl" },
    TestTool { proof: "debootstrap", package: "debootstrap" },
    TestTool { proof: "python3", package: "python3-minimal" },
    TestTool { proof: "promtool", package: "prometheus" },
];

impl TestTool {
    /// True if it is there.
    pub fn here(&self) -> bool {
        if self.proof.starts_with('/') { Path::new(self.proof).exists() } else { has(self.proof) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_node_and_apt_print_them() {
        assert_eq!(version("20.20.2"), Some((20, 20)));
        assert_eq!(version("18.20.4+dfsg-1~deb12u1"), Some((18, 20)));
        assert_eq!(version("1:22.12.0-1nodesource1"), Some((22, 12)));
        assert_eq!(version("(none)"), None);
    }

    #[test]
    fn the_console_is_built_only_by_a_node_that_vite_runs_on() {
        let served = [(18, 20), (20, 18), (20, 19), (21, 7), (22, 11), (22, 12), (24, 0)].map(node_serves);
        assert_eq!(served, [false, false, true, false, false, true, true]);
    }

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        assert!(has("ls"));
        assert!(!has("no-such-program-on-any-machine"));
    }
}
