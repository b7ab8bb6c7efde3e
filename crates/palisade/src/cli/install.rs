//! `palisade install`: this binary, the systemd units, the server's user, configuration and permit.
//!
//! Running it again changes only what this version has differently; the two configuration files
//! belong to the operator once they exist and are never written again.

use anyhow::{Context, Result, bail};
use nix::sys::stat::{Mode, umask};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `palisade install` understands.
#[derive(Debug, Clone, clap::Args)]
pub struct InstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Write below this directory, for packages and tests
    #[arg(long, value_name = "DIR", default_value = "/")]
    prefix: PathBuf,
    /// Only what a host needs that joins a server elsewhere
    #[arg(long)]
    agent_only: bool,
}

/// A file that an installation consists of.
struct Item {
    /// Below the prefix.
    path: &'static str,
    /// Permissions.
    mode: u32,
    content: Content,
}

enum Content {
    /// The running program.
    OwnBinary,
    /// Of this version: replaced when it differs.
    Ours(&'static str),
    /// The operator's once it exists.
    Yours(&'static str),
}

const ITEMS: [Item; 6] = [
    Item { path: "usr/bin/palisade", mode: 0o755, content: Content::OwnBinary },
    Item {
        path: "usr/lib/sysusers.d/palisade.conf",
        mode: 0o644,
        content: Content::Ours(include_str!("../../units/palisade.conf")),
    },
    Item {
        path: "usr/lib/systemd/system/palisade-server.service",
        mode: 0o644,
        content: Content::Ours(include_str!("../../units/palisade-server.service")),
    },
    Item {
        path: "usr/lib/systemd/system/palisade-agent.service",
        mode: 0o644,
        content: Content::Ours(include_str!("../../units/palisade-agent.service")),
    },
    Item {
        path: "etc/palisade/config.toml",
        mode: 0o644,
        content: Content::Yours(include_str!("../../units/config.toml")),
    },
    Item {
        path: "etc/palisade/permit.toml",
        mode: 0o644,
        content: Content::Yours(include_str!("../../units/permit.toml")),
    },
];

/// What is left to do by hand: starting services is the operator's decision.
const NEXT: &str = "\
next, to start it now and at every boot:
  systemd-sysusers
  systemctl daemon-reload
  systemctl enable --now palisade-server palisade-agent";
const NEXT_AGENT: &str = "\
next, with a token that `palisade join-token create` has made on the server:
  palisade agent --join https://HOST:PORT --token-file -
  systemctl daemon-reload
  systemctl enable --now palisade-agent";
/// What only a server needs.
const OF_SERVER: [&str; 2] = ["usr/lib/sysusers.d/palisade.conf", "usr/lib/systemd/system/palisade-server.service"];

/// What is done with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    Replace,
    /// It is as it should be.
    Same,
    /// It is the operator's.
    Keep,
}

/// Plans, prints, and unless it is a dry run carries out.
pub fn run(args: InstallArgs) -> Result<ExitCode> {
    let live = args.prefix == Path::new("/");
    if live && !args.dry_run && !nix::unistd::geteuid().is_root() {
        bail!(
            "installing writes to /usr and /etc and needs root\nhint: `--dry-run` shows what it would do, `--prefix DIR` writes elsewhere"
        );
    }
    // The user of the server reads the configuration, whatever root's own umask is.
    umask(Mode::from_bits_truncate(0o022));
    for item in ITEMS.iter().filter(|item| !(args.agent_only && OF_SERVER.contains(&item.path))) {
        let path = args.prefix.join(item.path);
        let content = item.bytes()?;
        let act = item.plan(&path, &content)?;
        if !args.dry_run && matches!(act, Act::Create | Act::Replace) {
            write(&path, &content, item.mode)?;
        }
        println!("{:<13} {}", act.word(args.dry_run), path.display());
    }
    if live && !args.dry_run {
        println!("{}", if args.agent_only { NEXT_AGENT } else { NEXT });
    }
    Ok(ExitCode::SUCCESS)
}

impl Item {
    fn bytes(&self) -> Result<Cow<'static, [u8]>> {
        match self.content {
            Content::OwnBinary => {
                // not `current_exe`: the link still leads to our file when it was replaced meanwhile
                std::fs::read("/proc/self/exe").map(Cow::Owned).context("reading this program")
            }
            Content::Ours(text) | Content::Yours(text) => Ok(Cow::Borrowed(text.as_bytes())),
        }
    }

    fn plan(&self, path: &Path, content: &[u8]) -> Result<Act> {
        let old = match std::fs::read(path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Act::Create),
            Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
        };
        Ok(match self.content {
            Content::Yours(_) => Act::Keep,
            _ if old == content && mode(path)? == self.mode => Act::Same,
            _ => Act::Replace,
        })
    }
}

impl Act {
    fn word(self, dry_run: bool) -> &'static str {
        match (self, dry_run) {
            (Act::Create, false) => "created",
            (Act::Create, true) => "would create",
            (Act::Replace, false) => "replaced",
            (Act::Replace, true) => "would replace",
            (Act::Same, _) => "unchanged",
            (Act::Keep, _) => "kept (yours)",
        }
    }
}

fn mode(path: &Path) -> Result<u32> {
    let metadata = std::fs::metadata(path).with_context(|| format!("reading `{}`", path.display()))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

/// Written beside it, synced, renamed over it: a running program is replaced without being
/// touched, and a crash leaves the old file or the new one.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let doing = || format!("writing `{}`", path.display());
    let dir = path.parent().context("every file of an installation lies in a directory")?;
    std::fs::create_dir_all(dir).with_context(doing)?;
    let temporary = path.with_extension("palisade-new");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&temporary).with_context(doing)?;
    file.set_permissions(PermissionsExt::from_mode(mode)).with_context(doing)?;
    file.write_all(content).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    std::fs::rename(&temporary, path).with_context(doing)?;
    File::open(dir).and_then(|dir| dir.sync_all()).with_context(doing)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigArgs, RunArgs};

    fn yours(name: &str) -> &'static str {
        let item = ITEMS.iter().find(|item| item.path.ends_with(name)).unwrap();
        let Content::Yours(text) = item.content else { panic!("{name} is not the operator's") };
        text
    }

    /// Every example in the file that is installed is one that this version understands.
    #[test]
    fn the_installed_configuration_is_understood_as_it_is_and_with_every_example_switched_on() {
        let text = yours("config.toml");
        let is_example = |line: &str| {
            line.strip_prefix("# ").is_some_and(|l| l.split(" = ").next().is_some_and(is_key) && l.contains(" = "))
        };
        let switched_on: String =
            text.lines().map(|l| if is_example(l) { &l[2..] } else { l }).fold(String::new(), |all, l| all + l + "\n");
        assert_ne!(text, switched_on);
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("as-it-is.toml", text), ("switched-on.toml", switched_on.as_str())] {
            let config = dir.path().join(name);
            std::fs::write(&config, text).unwrap();
            let loaded =
                Config::load(&ConfigArgs { config: Some(config), data_dir: None }, &RunArgs::default()).unwrap();
            assert_eq!(loaded.listen.to_string(), "127.0.0.1:8443");
        }
    }

    fn is_key(word: &str) -> bool {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    }

    #[test]
    fn the_installed_permit_allows_to_observe_and_to_ban() {
        let permit: toml::Table = yours("permit.toml").parse().unwrap();
        assert_eq!(permit["allow"].to_string(), "[\"observe\", \"ban\"]");
    }

    #[test]
    fn what_the_operator_has_written_is_kept_and_what_is_ours_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let item = |content| Item { path: "x", mode: 0o644, content };
        assert_eq!(item(Content::Ours("new")).plan(&path, b"new").unwrap(), Act::Create);
        write(&path, b"old", 0o644).unwrap();
        assert_eq!(item(Content::Ours("new")).plan(&path, b"new").unwrap(), Act::Replace);
        assert_eq!(item(Content::Yours("new")).plan(&path, b"new").unwrap(), Act::Keep);
        assert_eq!(item(Content::Ours("old")).plan(&path, b"old").unwrap(), Act::Same);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(item(Content::Ours("old")).plan(&path, b"old").unwrap(), Act::Replace);
    }
}
