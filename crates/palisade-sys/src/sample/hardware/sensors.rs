//! Small files of `/sys`: hwmon and thermal zones (Documentation/hwmon/sysfs-interface.rst), memory
//! errors (Documentation/admin-guide/RAS), InfiniBand ports.

use super::Temperature;
use std::path::{Path, PathBuf};

const TEMPERATURES_MAX: usize = 64;
/// Chips, zones, memory controllers, cards or ports in one directory.
const ENTRIES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 64;
/// A sensor that nothing is connected to says things like -128 or 255.
const CELSIUS: std::ops::RangeInclusive<f64> = 0.0..=200.0;

/// Every thermometer that says something possible, by name. Chips before thermal zones: where there
/// are chips, zones say the same again.
pub(super) fn temperatures(root: &Path) -> Vec<Temperature> {
    let mut found = Vec::new();
    for chip in entries(&root.join("sys/class/hwmon")) {
        let chip_name = text(&chip.join("name")).unwrap_or_else(|| "sensor".to_owned());
        for file in entries(&chip) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(number) = name.strip_prefix("temp").and_then(|n| n.strip_suffix("_input")) else { continue };
            let label = text(&chip.join(format!("temp{number}_label"))).unwrap_or_else(|| format!("temp{number}"));
            add(&mut found, format!("{chip_name} {label}"), &file);
        }
    }
    if found.is_empty() {
        for zone in entries(&root.join("sys/class/thermal")) {
            let kind = text(&zone.join("type")).unwrap_or_else(|| "zone".to_owned());
            add(&mut found, kind, &zone.join("temp"));
        }
    }
    found.truncate(TEMPERATURES_MAX);
    found
}

/// Two chips of one kind get numbers.
fn add(found: &mut Vec<Temperature>, sensor: String, file: &Path) {
    let Some(celsius) = number(file).map(|n| n / 1_000.0).filter(|c| CELSIUS.contains(c)) else { return };
    let same = |t: &&Temperature| t.sensor == sensor || t.sensor.starts_with(&format!("{sensor} #"));
    let sensor = match found.iter().filter(same).count() {
        0 => sensor,
        n => format!("{sensor} #{}", n + 1),
    };
    found.push(Temperature { sensor, celsius });
}

/// Corrected and uncorrected errors of all memory controllers.
pub(super) fn memory_errors(root: &Path) -> Option<(u64, u64)> {
    let all = entries(&root.join("sys/devices/system/edac/mc"));
    let of = |mc: &PathBuf| Some((number(&mc.join("ce_count"))? as u64, number(&mc.join("ue_count"))? as u64));
    all.iter().filter_map(of).reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
}

/// Whether a port is in another state than `4: ACTIVE`.
pub(super) fn infiniband_down(root: &Path) -> Option<bool> {
    let cards = entries(&root.join("sys/class/infiniband"));
    let ports = cards.iter().flat_map(|card| entries(&card.join("ports")));
    let states = ports.filter_map(|port| text(&port.join("state")));
    states.map(|state| !state.starts_with("4:")).reduce(|a, b| a || b)
}

/// What is in a directory, in order; nothing if it is not there.
pub(super) fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().take(ENTRIES_MAX).map(|entry| entry.path()).collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone())); // hwmon10 after hwmon9
    paths
}

/// The first line of a small file.
pub(super) fn text(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let line = String::from_utf8_lossy(&bytes).lines().next()?.trim().chars().take(TEXT_BYTES_MAX).collect::<String>();
    (!line.is_empty()).then_some(line)
}

/// The number in a small file.
pub(super) fn number(path: &Path) -> Option<f64> {
    text(path)?.parse().ok().filter(|n: &f64| n.is_finite())
}
