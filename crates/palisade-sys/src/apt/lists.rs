//! The lists that apt has downloaded: Release files and Packages files.

use crate::apt::Update;
use crate::dpkg::{Package, version_checked};
use crate::{Root, SysError, deb822, debversion};
use palisade_core::Timestamp;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

/// Most bytes of one list after unpacking; Ubuntu's universe has about 80 MB.
const LIST_BYTES_MAX: u64 = 1 << 30;
/// How much of a Release file is read: its fields come before its digests.
const RELEASE_BYTES: u64 = 16 << 10;
/// How a frame of LZ4 begins (LZ4 frame format, "magic number").
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X'];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";

/// An archive, by its Release file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Who makes it: `Debian`.
    pub origin: String,
    /// What it is: `Debian-Security`.
    pub label: String,
    /// Its suite or codename, as people say it: `bookworm-security`.
    pub suite: String,
    /// When it was made.
    pub date: Option<Timestamp>,
    /// Until when it may be believed.
    pub valid_until: Option<Timestamp>,
    /// True when it holds security updates.
    pub security: bool,
    /// True when apt takes nothing from it by itself (`NotAutomatic`).
    pub not_automatic: bool,
    /// True when apt upgrades what was once taken from it (`ButAutomaticUpgrades`).
    pub but_upgrades: bool,
}

/// True for `…_Packages`, packed or not.
pub(super) fn is_list(name: &str) -> bool {
    name.rsplit_once("_Packages")
        .is_some_and(|(_, end)| end.is_empty() || (end.starts_with('.') && !end.contains("diff")))
}

/// True for `…_InRelease` and `…_Release`.
pub(super) fn is_release(name: &str) -> bool {
    name.ends_with("_InRelease") || name.ends_with("_Release")
}

/// Every archive with the prefix that the names of its lists begin with.
pub(super) fn releases(root: &Root, dir: &Path, names: &[String]) -> Vec<(String, Archive)> {
    let mut out: Vec<(String, Archive)> = Vec::new();
    for name in names.iter().filter(|n| is_release(n)) {
        let prefix = name.trim_end_matches("InRelease").trim_end_matches("Release");
        let mut text = Vec::new();
        let read = root.open(&dir.join(name)).map(|file| file.take(RELEASE_BYTES).read_to_end(&mut text));
        if matches!(read, Ok(Ok(_))) && out.iter().all(|(p, _)| p != prefix) {
            out.push((prefix.to_owned(), release(&String::from_utf8_lossy(&text))));
        }
    }
    out
}

fn release(text: &str) -> Archive {
    let (mut archive, mut suite) = (Archive::default(), String::new());
    for (name, value) in text.lines().filter_map(|l| l.split_once(':')) {
        let value: String = value.trim().chars().filter(|c| !c.is_control()).take(128).collect();
        match name {
            "Origin" => archive.origin = value,
            "Label" => archive.label = value,
            "Suite" => suite = value,
            "Codename" => archive.suite = value,
            "Date" => archive.date = date(&value),
            "Valid-Until" => archive.valid_until = date(&value),
            "NotAutomatic" => archive.not_automatic = value == "yes",
            "ButAutomaticUpgrades" => archive.but_upgrades = value == "yes",
            "MD5Sum" | "SHA1" | "SHA256" => break,
            _ => {}
        }
    }
    archive.security =
        suite.ends_with("-security") || archive.suite.ends_with("-security") || archive.label == "Debian-Security";
    // Debian says `stable` where people say `bookworm`, Ubuntu says `noble` where people say `noble-updates`
    if archive.suite.is_empty() || suite.starts_with(&archive.suite) {
        archive.suite = suite;
    }
    archive
}

/// `Sat, 10 Aug 2024 09:21:32 UTC`
fn date(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |t| format!("{t}+0000"));
    jiff::fmt::rfc2822::parse(&text).ok().map(|zoned| zoned.timestamp())
}

/// The best version of each installed package.
pub(super) struct Candidates<'a> {
    by_name: HashMap<&'a [u8], Vec<usize>>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    package: &'a Package,
    /// The best of the archives that apt takes from by itself.
    ordinary: Option<Offer>,
    /// The best of the archives that apt upgrades from, once taken from.
    backport: Option<Offer>,
    /// The best of the security archives.
    security: Option<Offer>,
    /// The installed version is in an ordinary archive.
    is_ordinary: bool,
}

#[derive(Clone)]
struct Offer {
    version: String,
    suite: String,
    phased_percent: Option<u8>,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(installed: &[&'a Package]) -> Candidates<'a> {
        let mut by_name: HashMap<&[u8], Vec<usize>> = HashMap::with_capacity(installed.len());
        for (i, package) in installed.iter().enumerate() {
            by_name.entry(package.name.as_bytes()).or_default().push(i);
        }
        let row = |&package| Row { package, ordinary: None, backport: None, security: None, is_ordinary: false };
        Candidates { by_name, rows: installed.iter().map(row).collect() }
    }

    /// Takes in one Packages file, plain or packed with LZ4.
    pub(super) fn read_list(&mut self, root: &Root, path: &Path, archive: &Archive) -> Result<(), SysError> {
        let failed = |source| SysError::Read { path: path.to_owned(), source };
        let mut file = root.open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic).and_then(|_| file.rewind()).map_err(failed)?;
        if let Some(packed) = unsupported(&magic) {
            return Err(SysError::Malformed {
                what: packed.to_owned(),
                message: "lists packed so are not read yet".to_owned(),
            });
        }
        let file = BufReader::with_capacity(256 << 10, file);
        if magic == LZ4 {
            self.read_from(lz4_flex::frame::FrameDecoder::new(file).take(LIST_BYTES_MAX), archive)
        } else {
            self.read_from(file.take(LIST_BYTES_MAX), archive)
        }
        .map_err(failed)
    }

    pub(super) fn read_from(&mut self, reader: impl Read, archive: &Archive) -> io::Result<()> {
        deb822::paragraphs(reader, |paragraph| {
            self.take(paragraph.bytes, archive);
            ControlFlow::Continue(())
        })
    }

    fn take(&mut self, paragraph: &[u8], archive: &Archive) {
        let mut rows: &[usize] = &[];
        let (mut version, mut arch, mut phased_percent) = (None, &b""[..], None);
        for (name, value) in deb822::fields(paragraph) {
            match name {
                // one in a hundred is installed: the others cost one look into the table
                b"Package" => match self.by_name.get(value) {
                    Some(found) => rows = found,
                    None => return,
                },
                b"Version" => version = version_checked(value),
                b"Architecture" => arch = value,
                b"Phased-Update-Percentage" => {
                    phased_percent = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok())
                }
                _ => {}
            }
        }
        let Some(version) = version else { return };
        let offer = Offer { version, suite: archive.suite.clone(), phased_percent };
        for &row in rows {
            let row = &mut self.rows[row];
            let installed = row.package.arch.as_bytes();
            if arch == installed || arch == b"all" || installed == b"all" {
                row.offered(&offer, archive);
            }
        }
    }

    /// All packages for which there is something higher, by name.
    pub(super) fn updates(self) -> Vec<Update> {
        let mut updates: Vec<Update> = self.rows.into_iter().filter_map(Row::update).collect();
        updates.sort_by(|a, b| (&a.package.name, &a.package.arch).cmp(&(&b.package.name, &b.package.arch)));
        updates
    }
}

impl Row<'_> {
    fn offered(&mut self, offer: &Offer, archive: &Archive) {
        if archive.not_automatic && !archive.but_upgrades {
            return;
        }
        match debversion::compare(&offer.version, &self.package.version) {
            Ordering::Less => return,
            Ordering::Equal => {
                self.is_ordinary |= !archive.not_automatic;
                return;
            }
            Ordering::Greater => {}
        }
        raise(if archive.not_automatic { &mut self.backport } else { &mut self.ordinary }, offer);
        if archive.security {
            raise(&mut self.security, offer);
        }
    }

    /// apt_preferences(5): ordinary archives have priority 500, backports and what is installed 100.
    fn update(self) -> Option<Update> {
        let best = self.ordinary.or(if self.is_ordinary { None } else { self.backport })?;
        let archive = self.security.as_ref().map_or(best.suite, |s| s.suite.clone());
        Some(Update {
            package: self.package.clone(),
            candidate: best.version,
            security: self.security.is_some(),
            archive,
            phased_percent: best.phased_percent.filter(|p| *p < 100),
        })
    }
}

fn raise(best: &mut Option<Offer>, offer: &Offer) {
    if best.as_ref().is_none_or(|b| debversion::compare(&offer.version, &b.version).is_gt()) {
        *best = Some(offer.clone());
    }
}

fn unsupported(magic: &[u8]) -> Option<&'static str> {
    let kinds = [(GZIP, "gzip"), (XZ, "xz"), (ZSTD, "zstd"), (BZIP2, "bzip2")];
    kinds.into_iter().find(|(m, _)| magic.starts_with(m)).map(|(_, name)| name)
}
