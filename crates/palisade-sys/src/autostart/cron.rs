//! Crontabs (crontab(5)), the directories of run-parts(8), and `/etc/anacrontab`.

use super::{Autostart, Kind, Reader};

/// With a field for the user: those of the system.
const SYSTEM_TABS: &[&str] = &["/etc/cron.d"];
/// Without it, each file named after its user: Debian's and RHEL's place.
const USER_TABS: &[&str] = &["/var/spool/cron/crontabs", "/var/spool/cron"];
const SCRIPT_DIRS: &[&str] = &["hourly", "daily", "weekly", "monthly", "yearly"];

pub(super) fn jobs(reader: &mut Reader<'_>) {
    table(reader, "/etc/crontab", None);
    for dir in SYSTEM_TABS {
        for name in reader.names(dir).into_iter().filter(|n| !ignored(n)) {
            table(reader, &format!("{dir}/{name}"), None);
        }
    }
    for dir in USER_TABS {
        for name in reader.names(dir).into_iter().filter(|n| !ignored(n)) {
            let path = format!("{dir}/{name}");
            if reader.root.metadata(&path).is_ok_and(|m| m.is_file()) {
                table(reader, &path, Some(&name));
            }
        }
    }
    SCRIPT_DIRS.iter().for_each(|every| scripts(reader, every));
    anacron(reader);
}

fn table(reader: &mut Reader<'_>, path: &str, owner: Option<&str>) {
    for job in reader.text(path).iter().flat_map(|text| parse(text, owner)) {
        reader.push(Autostart {
            kind: Kind::Cron,
            name: job.schedule,
            path: path.to_owned(),
            command: job.command,
            user: Some(job.user),
            enabled: true,
        });
    }
}

/// run-parts passes over names with dots; so do we, since a backup copy is no job. A script
/// without the executable bit is passed over by run-parts too, and shown as not enabled.
fn scripts(reader: &mut Reader<'_>, every: &str) {
    let dir = format!("/etc/cron.{every}");
    for name in reader.names(&dir).into_iter().filter(|n| !n.contains('.')) {
        let path = format!("{dir}/{name}");
        let enabled = reader.is_executable(&path);
        let (command, user) = (path.clone(), Some("root".to_owned()));
        reader.push(Autostart { kind: Kind::Cron, name: format!("@{every}"), path, command, user, enabled });
    }
}

/// `period delay name command` (anacrontab(5)).
fn anacron(reader: &mut Reader<'_>) {
    let path = "/etc/anacrontab";
    for line in reader.text(path).unwrap_or_default().lines().map(str::trim).filter(|l| is_job(l)) {
        if let Some(([period, _, name], command)) = fields::<3>(line) {
            reader.push(Autostart {
                kind: Kind::Cron,
                name: format!("every {period} d: {name}"),
                path: path.to_owned(),
                command: command.to_owned(),
                user: Some("root".to_owned()),
                enabled: true,
            });
        }
    }
}

fn ignored(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.contains(".dpkg-") || name.ends_with(".rpmsave")
}

/// One line of a crontab.
#[derive(Debug, PartialEq)]
pub(super) struct Job {
    pub(super) schedule: String,
    pub(super) user: String,
    pub(super) command: String,
}

/// The jobs of a crontab; `owner` for one without a field for the user.
pub(super) fn parse(text: &str, owner: Option<&str>) -> Vec<Job> {
    text.lines().map(str::trim).filter(|line| is_job(line)).filter_map(|line| job(line, owner)).collect()
}

/// Not empty, no comment, no `NAME=value`.
fn is_job(line: &str) -> bool {
    let first = line.split(['=', ' ', '\t']).next().unwrap_or_default();
    let assigns = line[first.len()..].trim_start().starts_with('=');
    !line.is_empty() && !line.starts_with('#') && !assigns
}

fn job(line: &str, owner: Option<&str>) -> Option<Job> {
    let (schedule, rest) = if line.starts_with('@') {
        let ([word], rest) = fields::<1>(line)?;
        (word.to_owned(), rest)
    } else {
        let (five, rest) = fields::<5>(line)?;
        (five.join(" "), rest)
    };
    let (user, command) = match owner {
        Some(owner) => (owner, rest),
        None => fields::<1>(rest).map(|([user], command)| (user, command))?,
    };
    // Debian's cron takes `-` before the user as "do not log"
    Some(Job { schedule, user: user.trim_start_matches('-').to_owned(), command: command.to_owned() })
}

/// The first `N` words, and the rest of the line, which must not be empty.
fn fields<const N: usize>(line: &str) -> Option<([&str; N], &str)> {
    let mut rest = line.trim_start();
    let mut words = [""; N];
    for word in &mut words {
        let (first, left) = rest.split_once([' ', '\t'])?;
        (*word, rest) = (first, left.trim_start());
    }
    (!rest.is_empty()).then_some((words, rest))
}
