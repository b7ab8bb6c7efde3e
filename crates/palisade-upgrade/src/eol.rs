//! Until when a release gets security updates.
//!
//! Debian: <https://wiki.debian.org/LTS> (the end of LTS, which every host gets without doing
//! anything) · Ubuntu: the package distro-info-data and <https://ubuntu.com/about/release-cycle>
//! (standard support; `extended` with Ubuntu Pro) · RHEL, CentOS:
//! <https://access.redhat.com/support/policy/updates/errata> · AlmaLinux:
//! <https://wiki.almalinux.org/release-notes/> · Rocky: <https://wiki.rockylinux.org/rocky/version/>
//! · Oracle: <https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf> · Alpine:
//! <https://alpinelinux.org/releases/> · Amazon Linux: <https://aws.amazon.com/amazon-linux-2/faqs/>
//! and <https://docs.aws.amazon.com/linux/al2023/ug/release-cadence.html> · openSUSE:
//! <https://en.opensuse.org/Lifetime>. As published in November 2026; a release that is not here
//! is unknown, never supported.

use jiff::civil::Date;

/// A release and the last day on which it gets security updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// `ID` of os-release.
    pub id: &'static str,
    /// `VERSION_ID` of os-release, or its beginning up to a dot.
    pub version: &'static str,
    /// The last day for everybody.
    pub end: Date,
    /// The last day with the distribution's extension (Ubuntu Pro), where that can be told.
    pub extended: Option<Date>,
}

const fn row(id: &'static str, version: &'static str, (year, month, day): (i16, i8, i8)) -> Life {
    Life { id, version, end: Date::constant(year, month, day), extended: None }
}

const fn lts(version: &'static str, (year, month, day): (i16, i8, i8), pro: (i16, i8, i8)) -> Life {
    let extended = Some(Date::constant(pro.0, pro.1, pro.2));
    Life { id: "ubuntu", version, end: Date::constant(year, month, day), extended }
}

const LIVES: &[Life] = &[
    row("debian", "8", (2020, 6, 30)),
    row("debian", "9", (2022, 6, 30)),
    row("debian", "10", (2024, 6, 30)),
    row("debian", "11", (2026, 8, 31)),
    row("debian", "12", (2028, 6, 30)),
    row("debian", "13", (2030, 6, 30)),
    lts("16.04", (2021, 4, 30), (2026, 4, 23)),
    lts("18.04", (2023, 5, 31), (2028, 4, 26)),
    row("ubuntu", "18.10", (2019, 7, 18)),
    row("ubuntu", "19.04", (2020, 1, 23)),
    row("ubuntu", "19.10", (2020, 7, 17)),
    lts("20.04", (2025, 5, 29), (2030, 4, 23)),
    row("ubuntu", "20.10", (2021, 7, 22)),
    row("ubuntu", "21.04", (2022, 1, 20)),
    row("ubuntu", "21.10", (2022, 7, 14)),
    lts("22.04", (2027, 6, 1), (2032, 4, 21)),
    row("ubuntu", "22.10", (2023, 7, 20)),
    row("ubuntu", "23.04", (2024, 1, 25)),
    row("ubuntu", "23.10", (2024, 7, 11)),
    lts("24.04", (2029, 5, 31), (2034, 4, 25)),
    row("ubuntu", "24.10", (2025, 7, 10)),
    row("ubuntu", "25.04", (2026, 1, 15)),
    row("ubuntu", "25.10", (2026, 7, 9)),
    lts("26.04", (2031, 5, 29), (2036, 4, 23)),
    row("rhel", "7", (2024, 6, 30)),
    row("rhel", "8", (2029, 5, 31)),
    row("rhel", "9", (2032, 5, 31)),
    row("rhel", "10", (2035, 5, 31)),
    row("centos", "7", (2024, 6, 30)),
    row("centos", "8", (2024, 5, 31)),
    row("centos", "9", (2027, 5, 31)),
    row("centos", "10", (2030, 1, 1)),
    row("almalinux", "8", (2029, 3, 1)),
    row("almalinux", "9", (2032, 5, 31)),
    row("almalinux", "10", (2035, 5, 31)),
    row("rocky", "8", (2029, 5, 31)),
    row("rocky", "9", (2032, 5, 31)),
    row("rocky", "10", (2035, 5, 31)),
    row("ol", "7", (2024, 12, 31)),
    row("ol", "8", (2029, 7, 31)),
    row("ol", "9", (2032, 6, 30)),
    row("alpine", "3.18", (2025, 5, 9)),
    row("alpine", "3.19", (2025, 11, 1)),
    row("alpine", "3.20", (2026, 4, 1)),
    row("alpine", "3.21", (2026, 11, 1)),
    row("alpine", "3.22", (2027, 5, 1)),
    row("alpine", "3.23", (2027, 11, 1)),
    row("amzn", "2", (2026, 6, 30)),
    row("amzn", "2023", (2029, 6, 30)),
    row("opensuse-leap", "15.4", (2023, 12, 7)),
    row("opensuse-leap", "15.5", (2024, 12, 31)),
    row("opensuse-leap", "15.6", (2026, 4, 30)),
    row("opensuse-leap", "16.0", (2027, 10, 31)),
];

/// The life of a release by `ID` and `VERSION_ID` (`9.4` is a `9`); `None` if it is not known.
pub fn life(id: &str, version: &str) -> Option<&'static Life> {
    let is =
        |life: &&Life| version.strip_prefix(life.version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    LIVES.iter().filter(|life| life.id == id).filter(is).max_by_key(|life| life.version.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_found_by_their_major_version() {
        let end = |id: &str, version: &str| life(id, version).map(|l| l.end.to_string());
        assert_eq!(end("debian", "12").as_deref(), Some("2028-06-30"));
        assert_eq!(end("rhel", "9.4").as_deref(), Some("2032-05-31"));
        assert_eq!(end("alpine", "3.20.3").as_deref(), Some("2026-04-01"));
        assert_eq!(end("amzn", "2023").as_deref(), Some("2029-06-30"));
        assert_eq!(end("amzn", "2").as_deref(), Some("2026-06-30"));
        for (id, version) in
            [("debian", ""), ("debian", "14"), ("debian", "120"), ("rhel", "95"), ("alpine", "3.1"), ("mine", "1")]
        {
            assert_eq!(end(id, version), None, "{id} {version}");
        }
    }

    #[test]
    fn no_release_is_there_twice_and_an_extension_is_longer() {
        for (i, life) in LIVES.iter().enumerate() {
            assert!(
                LIVES[..i].iter().all(|l| (l.id, l.version) != (life.id, life.version)),
                "{} {}",
                life.id,
                life.version
            );
            assert!(life.extended.is_none_or(|e| e > life.end));
        }
    }
}
