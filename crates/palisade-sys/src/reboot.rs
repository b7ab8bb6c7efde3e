//! Whether the running kernel is the newest one that is installed, and whether a package has asked
//! for a restart (`/run/reboot-required`, deb-based systems).

use crate::dpkg::Package;
use crate::{Root, SysError, debversion};

const REQUIRED: &str = "/run/reboot-required";
/// Most bytes of the list of packages that asked, and most of them.
const LIST_BYTES_MAX: u64 = 64 << 10;
const LIST_MAX: usize = 100;

/// What speaks for a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reboot {
    /// True when a package has asked for it.
    pub required: bool,
    /// Which packages asked, if they said so.
    pub packages: Vec<String>,
    /// The release of the running kernel: `6.1.0-25-amd64`.
    pub running: String,
    /// What is installed and newer than what runs: a release, or a version of the same release.
    pub newer: Option<String>,
}

/// Looks at the running system; an error in a scratch root, which has no kernel.
pub fn read(root: &Root, packages: &[Package]) -> Result<Reboot, SysError> {
    if !root.is_live() {
        return Err(SysError::NotLive("a running kernel"));
    }
    let uname = nix::sys::utsname::uname()
        .map_err(|e| SysError::Kernel { doing: "asking for the kernel's release".to_owned(), source: e.into() })?;
    let (running, build) =
        (uname.release().to_string_lossy().into_owned(), uname.version().to_string_lossy().into_owned());
    let names = root.read_up_to("/run/reboot-required.pkgs", LIST_BYTES_MAX).unwrap_or_default();
    let mut asked: Vec<String> =
        String::from_utf8_lossy(&names).lines().map(str::to_owned).filter(|l| !l.is_empty()).take(LIST_MAX).collect();
    asked.sort();
    asked.dedup();
    let bootable = |release: &str| root.exists(format!("/boot/vmlinuz-{release}"));
    let newer = newer(&running, &build, packages, bootable);
    Ok(Reboot { required: root.exists(REQUIRED), packages: asked, running, newer })
}

/// The newest installed kernel of the same flavour (`amd64`, `cloud-amd64`, `generic`) that can be
/// booted, if it is newer than the running one; `build` is `uname -v`. `None` also when no package
/// has brought the running kernel: a container, or a kernel of one's own.
fn newer(running: &str, build: &str, packages: &[Package], bootable: impl Fn(&str) -> bool) -> Option<String> {
    let kernels: Vec<(&str, &Package)> =
        packages.iter().filter(|p| p.is_installed()).filter_map(|p| Some((release(p)?, p))).collect();
    let newest = kernels
        .iter()
        .filter(|(release, _)| flavour(release) == flavour(running) && bootable(release))
        .max_by(|a, b| debversion::compare(a.0, b.0))?;
    if debversion::compare(newest.0, running).is_gt() {
        return Some(newest.0.to_owned());
    }
    // Debian upgrades a kernel without a new release name; the version that runs stands in `uname -v`
    let (_, package) = kernels.iter().find(|(release, _)| *release == running)?;
    let version = build.split_once("Debian ")?.1.split_whitespace().next()?;
    debversion::compare(&package.version, version).is_gt().then(|| format!("{running} ({})", package.version))
}

/// The kernel release that a package brings: `linux-image-6.1.0-25-amd64`, not `linux-image-amd64`.
fn release(package: &Package) -> Option<&str> {
    let name = package.name.strip_prefix("linux-image-")?;
    let name = name.strip_prefix("unsigned-").unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_digit()).then_some(name)
}

fn flavour(release: &str) -> &str {
    let at =
        release.match_indices('-').find(|(at, _)| release[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()));
    at.map_or("", |(at, _)| &release[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kernels(rows: &[(&str, &str)]) -> Vec<Package> {
        let package = |(name, version): &(&str, &str)| Package {
            name: format!("linux-image-{name}"),
            version: (*version).to_owned(),
            ..Package::default()
        };
        rows.iter().map(package).collect()
    }

    #[test]
    fn a_newer_kernel_of_the_same_flavour_is_found() {
        let installed = kernels(&[
            ("amd64", "6.1.106-3"),
            ("6.1.0-9-amd64", "6.1.27-1"),
            ("6.1.0-25-amd64", "6.1.106-3"),
            ("6.10.0-1-cloud-amd64", "6.10.1-1"),
        ]);
        let ask = |running: &str, build: &str| newer(running, build, &installed, |_| true);
        assert_eq!(ask("6.1.0-9-amd64", "").as_deref(), Some("6.1.0-25-amd64"));
        assert_eq!(ask("6.1.0-25-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)"), None);
        let old = ask("6.1.0-25-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.99-1 (2024-07-15)");
        assert_eq!(old.as_deref(), Some("6.1.0-25-amd64 (6.1.106-3)"));
        assert_eq!(ask("6.5.0-mine", "#1"), None);
        assert_eq!(newer("6.1.0-9-amd64", "", &installed, |_| false), None);
        assert_eq!(
            newer("6.8.0-45-generic", "#45-Ubuntu SMP", &kernels(&[("unsigned-6.8.0-47-generic", "1")]), |_| true)
                .as_deref(),
            Some("6.8.0-47-generic")
        );
    }

    #[test]
    fn the_running_system_answers_and_a_scratch_root_does_not() {
        assert!(read(&Root::live(), &[]).is_ok_and(|r| !r.running.is_empty() && r.newer.is_none()));
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(read(&Root::scratch(dir.path()).expect("it exists"), &[]).is_err());
    }

    proptest! {
        #[test]
        fn any_release_is_compared_without_panic(running in ".{0,40}", build in ".{0,40}", name in ".{0,20}") {
            let _ = newer(&running, &build, &kernels(&[(&name, "1")]), |_| true);
        }
    }
}
