//! Units that some target wants or requires, with what they run (systemd.unit(5)).

use super::{Autostart, Kind, Reader};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::FileTypeExt;

/// Where unit files lie; the first that has one wins.
const DIRS: &[&str] =
    &["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// How many units one host may have enabled.
const UNITS_MAX: usize = 4_000;
const LINES_MAX: usize = 5_000;

pub(super) fn units(reader: &mut Reader<'_>) {
    let dirs = Dirs::read(reader);
    let wanted: Vec<String> = dirs.wanted.iter().take(UNITS_MAX).cloned().collect();
    for name in wanted {
        let kind = match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("service") => Kind::Service,
            Some("timer") => Kind::Timer,
            Some("socket") => Kind::Socket,
            Some("path") => Kind::Path,
            _ => continue, // targets and mounts run nothing
        };
        let Some(path) = dirs.file(&name) else { continue };
        let masked = reader.root.metadata(&path).is_ok_and(|m| m.file_type().is_char_device());
        let unit = dirs.unit(reader, &name);
        let command = match kind {
            Kind::Service => unit.commands,
            _ => {
                let service = unit.service.clone().unwrap_or_else(|| with_suffix(&name, kind, &unit));
                dirs.unit(reader, &service).commands
            }
        };
        reader.push(Autostart { kind, name, path, command: command.join(" ; "), user: None, enabled: !masked });
    }
}

/// A socket with `Accept=yes` starts an instance of a template.
fn with_suffix(name: &str, kind: Kind, unit: &Unit) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let at = if kind == Kind::Socket && unit.accept { "@" } else { "" };
    format!("{stem}{at}.service")
}

/// What the directories hold, read once.
struct Dirs {
    files: Vec<(&'static str, BTreeSet<String>)>,
    wanted: BTreeSet<String>,
    /// Drop-in directories by unit name.
    drop_ins: HashMap<String, Vec<String>>,
}

impl Dirs {
    fn read(reader: &mut Reader<'_>) -> Dirs {
        let mut dirs = Dirs { files: Vec::new(), wanted: BTreeSet::new(), drop_ins: HashMap::new() };
        for dir in DIRS {
            let names: BTreeSet<String> = reader.names(dir).into_iter().collect();
            if dirs.files.iter().any(|(_, seen)| *dir == "/lib/systemd/system" && *seen == names) {
                continue; // /lib is /usr/lib
            }
            for name in &names {
                if name.ends_with(".wants") || name.ends_with(".requires") {
                    let found = reader.names(&format!("{dir}/{name}"));
                    dirs.wanted.extend(found);
                } else if let Some(unit) = name.strip_suffix(".d") {
                    dirs.drop_ins.entry(unit.to_owned()).or_default().push(format!("{dir}/{name}"));
                }
            }
            dirs.files.push((dir, names));
        }
        dirs
    }

    /// Where the unit's file lies; an instance (`getty@tty1`) uses its template (`getty@`).
    fn file(&self, name: &str) -> Option<String> {
        let find = |name: &str| {
            self.files.iter().find(|(_, names)| names.contains(name)).map(|(dir, _)| format!("{dir}/{name}"))
        };
        find(name).or_else(|| find(&template(name)?))
    }

    /// The unit with its drop-ins: of those with one name the first directory's counts, all in the
    /// order of their names.
    fn unit(&self, reader: &mut Reader<'_>, name: &str) -> Unit {
        let mut unit = Unit::default();
        if let Some(text) = self.file(name).and_then(|path| reader.text(&path)) {
            unit.take(&text);
        }
        let mut files = BTreeMap::new();
        for owner in [Some(name.to_owned()), template(name)].into_iter().flatten() {
            for dir in self.drop_ins.get(&owner).into_iter().flatten() {
                for file in reader.names(dir).into_iter().filter(|n| n.ends_with(".conf")) {
                    files.entry(file.clone()).or_insert_with(|| format!("{dir}/{file}"));
                }
            }
        }
        for path in files.values() {
            if let Some(text) = reader.text(path) {
                unit.take(&text);
            }
        }
        unit
    }
}

fn template(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    Some(format!("{}@.{suffix}", stem.split_once('@')?.0))
}

/// What a unit runs.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Unit {
    /// `ExecStart` and its neighbours, in order.
    pub(super) commands: Vec<String>,
    /// `Unit=` of a timer or path, `Service=` of a socket.
    pub(super) service: Option<String>,
    pub(super) accept: bool,
}

impl Unit {
    /// Adds what a unit file or drop-in says; `ExecStart=` with nothing forgets what came before.
    pub(super) fn take(&mut self, text: &str) {
        let mut section = String::new();
        for line in logical(text) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                name.clone_into(&mut section);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            match (section.as_str(), key) {
                ("Service", "ExecStart") if value.is_empty() => self.commands.clear(),
                ("Service", "ExecStart" | "ExecStartPre" | "ExecStartPost") if !value.is_empty() => {
                    self.commands.push(value.to_owned());
                }
                ("Timer" | "Path", "Unit") | ("Socket", "Service") => self.service = Some(value.to_owned()),
                ("Socket", "Accept") => self.accept = matches!(value, "yes" | "true" | "on" | "1"),
                _ => {}
            }
        }
    }
}

/// Lines without comments; a backslash at the end joins the next one.
fn logical(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines().take(LINES_MAX) {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        match line.strip_suffix('\\') {
            Some(start) => {
                whole.push_str(start.trim());
                whole.push(' ');
                open = Some(whole);
            }
            None => {
                whole.push_str(if whole.is_empty() { line } else { line.trim_start() });
                lines.push(whole);
            }
        }
    }
    lines.extend(open);
    lines
}
