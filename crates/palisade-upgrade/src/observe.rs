//! Looks at packages, apt's lists and settings, the kernel and the processes.

use crate::model::{
    Archive, HalfConfigured, Lists, Manager, Observed, Pending, Reboot, Release, Services, SourceState, StaleService,
    Unattended,
};
use palisade_guard::contract::chain;
use palisade_sys::apt::config::Settings;
use palisade_sys::apt::{self, Apt};
use palisade_sys::dpkg::{Package, PackageState, Selection};
use palisade_sys::{Root, SysError, deleted, dpkg, os_release, reboot};

/// Most held and most half-configured packages that are told.
const ROWS_MAX: usize = 1_000;
const RPM_UNREAD: &str = "reading rpm databases is not built yet";
const APK_UNREAD: &str = "reading apk databases is not built yet";
const IMAGE_UNREAD: &str = "this image has packages but no package manager: rebuild it from a newer base to upgrade it";
const NONE_UNREAD: &str = "no package database was found";

/// All that can be known without running a package tool.
pub fn observe(root: &Root) -> Observed {
    let manager = manager(root);
    let mut observed = Observed::default();
    observed.state.manager = manager;
    observed.state.os = release(root);
    observed.state.unread = match manager {
        Manager::Dpkg => take_apt(root, &mut observed).err().map(|e| chain(&e)),
        Manager::Image => Some(IMAGE_UNREAD.to_owned()),
        Manager::Rpm => Some(RPM_UNREAD.to_owned()),
        Manager::Apk => Some(APK_UNREAD.to_owned()),
        Manager::Unknown => Some(NONE_UNREAD.to_owned()),
    };
    observed.state.services = services(root);
    observed
}

fn manager(root: &Root) -> Manager {
    let any = |paths: &[&str]| paths.iter().any(|p| root.exists(p));
    if root.exists("/var/lib/dpkg/status") && root.exists("/etc/apt") {
        Manager::Dpkg
    } else if any(&["/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"]) {
        Manager::Rpm
    } else if any(&["/lib/apk/db/installed", "/usr/lib/apk/db/installed"]) {
        Manager::Apk
    } else if any(&["/var/lib/dpkg/status", "/var/lib/dpkg/status.d"]) {
        Manager::Image
    } else {
        Manager::Unknown
    }
}

fn release(root: &Root) -> Release {
    let os = os_release::read(root).unwrap_or_default();
    Release { id: os.id, version: os.version_id, name: os.pretty_name }
}

fn take_apt(root: &Root, observed: &mut Observed) -> Result<(), SysError> {
    let packages = dpkg::packages(root)?;
    let apt = apt::read(root, &packages)?;
    observed.pending = apt.updates.iter().map(pending).collect();
    let state = &mut observed.state;
    state.lists = lists(&apt);
    state.sources = apt.sources.iter().map(source).collect();
    state.pins.clone_from(&apt.pins);
    let held = packages.iter().filter(|p| p.is_installed() && p.selection == Selection::Hold);
    state.held = held.map(|p| format!("{} {}", p.name, p.version)).take(ROWS_MAX).collect();
    state.half_configured = packages.iter().filter_map(half_configured).take(ROWS_MAX).collect();
    state.unattended = unattended(root, &packages)?;
    state.reboot = live(reboot::read(root, &packages))?.map(|r| Reboot {
        required: r.required,
        packages: r.packages,
        running: r.running,
        newer: r.newer,
    });
    Ok(())
}

fn pending(update: &apt::Update) -> Pending {
    let package = &update.package;
    Pending {
        name: package.name.clone(),
        arch: package.arch.clone(),
        source: package.source.clone(),
        installed: package.version.clone(),
        candidate: update.candidate.clone(),
        security: update.security,
        archive: update.archive.clone(),
        held: package.selection == Selection::Hold,
        phased_percent: update.phased_percent,
    }
}

fn lists(apt: &Apt) -> Lists {
    let archive = |a: &apt::lists::Archive| Archive {
        suite: a.suite.clone(),
        label: a.label.clone(),
        security: a.security,
        date: a.date,
        valid_until: a.valid_until,
    };
    Lists {
        count: apt.lists,
        updated_at: apt.updated_at,
        unread: apt.unread.clone(),
        archives: apt.archives.iter().map(archive).collect(),
    }
}

fn source(source: &apt::sources::Source) -> SourceState {
    SourceState {
        file: source.file.clone(),
        uri: source.uri_shown(),
        suite: source.suite.clone(),
        security: source.security,
        listed: source.listed,
    }
}

fn half_configured(package: &Package) -> Option<HalfConfigured> {
    let state = match package.state {
        PackageState::HalfConfigured => "half-configured",
        PackageState::Unpacked => "unpacked",
        PackageState::HalfInstalled => "half-installed",
        _ if package.broken => "must be reinstalled",
        _ => return None,
    };
    Some(HalfConfigured { name: package.name.clone(), version: package.version.clone(), state: state.to_owned() })
}

fn unattended(root: &Root, packages: &[Package]) -> Result<Unattended, SysError> {
    let settings = Settings::read(root)?;
    let masked = |timer: &str| {
        // a masked unit is a link to /dev/null (systemctl(1))
        use std::os::unix::fs::FileTypeExt;
        root.metadata(format!("/etc/systemd/system/{timer}")).is_ok_and(|m| m.file_type().is_char_device())
    };
    Ok(Unattended {
        installed: packages.iter().any(|p| p.name == "unattended-upgrades" && p.is_installed()),
        lists: settings.is_on("APT::Periodic::Update-Package-Lists"),
        upgrade: settings.is_on("APT::Periodic::Unattended-Upgrade"),
        switched_off: settings.get("APT::Periodic::Enable").is_some() && !settings.is_on("APT::Periodic::Enable"),
        timer_masked: masked("apt-daily.timer") || masked("apt-daily-upgrade.timer"),
    })
}

fn services(root: &Root) -> Option<Services> {
    let found = match live(deleted::read(root)) {
        Ok(found) => found?,
        Err(_) => return Some(Services { stale: Vec::new(), partial: true }),
    };
    let service = |(name, files): (String, std::collections::BTreeSet<String>)| StaleService {
        name,
        files: files.into_iter().collect(),
    };
    Some(Services { stale: found.services.into_iter().map(service).collect(), partial: found.partial })
}

/// `None` in a scratch root, where there is no kernel to ask.
fn live<T>(answer: Result<T, SysError>) -> Result<Option<T>, SysError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SysError::NotLive(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
