//! What disks record of themselves, as `smartctl --json` (smartmontools) prints it.

use super::program;
use super::sensors::entries;
use crate::sample::disk::is_whole_disk;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

const PROGRAMS: [&str; 2] = ["/usr/sbin/smartctl", "/usr/local/sbin/smartctl"];
/// Of one disk; 50 ms is usual, one behind a controller that resets takes seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const DISKS_MAX: usize = 64;
/// Disks that are made up by software have no record.
const VIRTUAL: [&str; 6] = ["dm-", "md", "nbd", "vd", "xvd", "rbd"];
/// A limit for temperatures, degrees Celsius.
const CELSIUS_MAX: f64 = 200.0;

/// The record of one disk; what it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Smart {
    /// `sda`, `nvme0n1`.
    pub device: String,
    /// Its own verdict: false says that it will fail.
    pub healthy: Option<bool>,
    /// Degrees Celsius.
    pub celsius: Option<f64>,
    /// Hours under power.
    pub power_on_hours: Option<u64>,
    /// Sectors (of SCSI disks: entries) that were replaced because they were bad.
    pub reallocated: Option<u64>,
    /// Sectors that could not be read and wait for their replacement.
    pub pending: Option<u64>,
    /// Reads that failed for good.
    pub media_errors: Option<u64>,
    /// What is used up of the life that the maker promises, percent; may pass 100.
    pub used_percent: Option<f64>,
}

/// Of every disk that has a record, and whether there are disks and none could be read; nothing
/// without the program.
pub(super) fn look(root: &Path) -> (Vec<Smart>, bool) {
    let Some(program) = program::find(root, &PROGRAMS) else { return (Vec::new(), false) };
    let names = entries(&root.join("sys/block")).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_disk = is_whole_disk(name.as_bytes()) && !VIRTUAL.iter().any(|v| name.starts_with(v));
        is_disk.then_some(name)
    });
    let names: Vec<String> = names.take(DISKS_MAX).collect();
    let disks: Vec<Smart> = names.iter().filter_map(|name| one(program, name)).collect();
    let are_closed = disks.is_empty() && !names.is_empty();
    (disks, are_closed)
}

/// One that sleeps is not woken.
fn one(program: &str, name: &str) -> Option<Smart> {
    let path = format!("/dev/{name}");
    let arguments = ["--json", "--info", "--health", "--attributes", "--log=error", "--nocheck=standby", &path];
    smart_parse(name, &program::output(program, &arguments, ANSWER_LIMIT)?)
}

/// Reads what smartctl printed; `None` when it says nothing about the disk.
pub fn smart_parse(device: &str, json: &str) -> Option<Smart> {
    let said: Said = serde_json::from_str(json).ok()?;
    let nvme = said.nvme_smart_health_information_log.unwrap_or_default();
    let raw = |id: u64| {
        let attribute = said.ata_smart_attributes.table.iter().find(|a| a.id == id)?;
        attribute.raw.value.map(|value| value & 0xffff_ffff) // makers keep other things in the upper half
    };
    let scsi_errors = said.scsi_error_counter_log.map(|log| {
        let of = |errors: Option<ScsiErrors>| errors.and_then(|e| e.total_uncorrected_errors).unwrap_or(0);
        of(log.read).saturating_add(of(log.write))
    });
    let smart = Smart {
        device: device.to_owned(),
        healthy: said.smart_status.and_then(|status| status.passed),
        celsius: said.temperature.and_then(|t| t.current).filter(|c| (0.0..=CELSIUS_MAX).contains(c)),
        power_on_hours: said.power_on_time.and_then(|time| time.hours),
        reallocated: raw(5).or(said.scsi_grown_defect_list),
        pending: raw(197),
        media_errors: nvme.media_errors.or_else(|| raw(187)).or_else(|| raw(198)).or(scsi_errors),
        used_percent: nvme.percentage_used.or_else(|| said.endurance_used?.current_percent).filter(|p| *p >= 0.0),
    };
    let says_nothing = smart == Smart { device: device.to_owned(), ..Smart::default() };
    (!says_nothing).then_some(smart)
}

#[derive(Deserialize)]
struct Said {
    smart_status: Option<Status>,
    temperature: Option<Current>,
    power_on_time: Option<Hours>,
    nvme_smart_health_information_log: Option<Nvme>,
    #[serde(default)]
    ata_smart_attributes: Attributes,
    endurance_used: Option<Endurance>,
    scsi_grown_defect_list: Option<u64>,
    scsi_error_counter_log: Option<ScsiLog>,
}

#[derive(Deserialize)]
struct Status {
    passed: Option<bool>,
}

#[derive(Deserialize)]
struct Current {
    current: Option<f64>,
}

#[derive(Deserialize)]
struct Hours {
    hours: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Nvme {
    percentage_used: Option<f64>,
    media_errors: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Attributes {
    #[serde(default)]
    table: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    id: u64,
    raw: Raw,
}

#[derive(Deserialize)]
struct Raw {
    value: Option<u64>,
}

#[derive(Deserialize)]
struct Endurance {
    current_percent: Option<f64>,
}

#[derive(Deserialize)]
struct ScsiLog {
    read: Option<ScsiErrors>,
    write: Option<ScsiErrors>,
}

#[derive(Deserialize)]
struct ScsiErrors {
    total_uncorrected_errors: Option<u64>,
}
