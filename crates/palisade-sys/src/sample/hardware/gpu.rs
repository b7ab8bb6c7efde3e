//! Graphics processors: `nvidia-smi --query-gpu` where NVIDIA's driver is loaded, and the files of
//! amdgpu (Documentation/gpu/amdgpu/thermal.rst).

use super::program;
use super::sensors::{entries, number};
use std::path::Path;
use std::time::Duration;

const PROGRAMS: [&str; 2] = ["/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi"];
/// 100 ms is usual; several seconds when no program keeps the driver awake.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const GPUS_MAX: usize = 16;
const MIB: f64 = 1_048_576.0;
/// The columns, in the order of [`nvidia_parse`].
const QUERY: &str = "--query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,pstate,clocks.gr,clocks.sm,clocks.mem,clocks.video,ecc.errors.corrected.volatile.total,ecc.errors.uncorrected.volatile.total,ecc.errors.corrected.aggregate.total,ecc.errors.uncorrected.aggregate.total,retired_pages.single_bit_ecc.count,retired_pages.double_bit.count";
const FORMAT: &str = "--format=csv,noheader,nounits";
const COLUMNS: usize = 17;

/// One graphics processor; what it does not say is absent.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs)] // each name says it
pub struct Gpu {
    /// `0`; of AMD's `card0`.
    pub name: String,
    /// Share of time in which it worked, 0 to 1.
    pub usage: Option<f64>,
    pub memory_used_bytes: Option<f64>,
    pub memory_total_bytes: Option<f64>,
    pub celsius: Option<f64>,
    pub power_watts: Option<f64>,
    /// NVIDIA's P-state: 0 is the fastest, 15 the slowest.
    pub performance_state: Option<f64>,
    pub clock_graphics_hz: Option<f64>,
    pub clock_sm_hz: Option<f64>,
    pub clock_memory_hz: Option<f64>,
    pub clock_video_hz: Option<f64>,
    /// Memory errors that were corrected since the driver was loaded.
    pub ecc_corrected: Option<f64>,
    /// Memory errors that were not, since the driver was loaded.
    pub ecc_uncorrected: Option<f64>,
    /// In the life of the card.
    pub ecc_corrected_ever: Option<f64>,
    /// In the life of the card.
    pub ecc_uncorrected_ever: Option<f64>,
    /// Memory pages given up after single-bit errors.
    pub retired_single_bit: Option<f64>,
    /// Memory pages given up after double-bit errors.
    pub retired_double_bit: Option<f64>,
}

/// Every graphics processor.
pub(super) fn look(root: &Path) -> Vec<Gpu> {
    let mut gpus = amd(root);
    if root.join("proc/driver/nvidia/version").exists()
        && let Some(program) = program::find(root, &PROGRAMS)
        && let Some(text) = program::output(program, &[QUERY, FORMAT], ANSWER_LIMIT)
    {
        gpus.extend(nvidia_parse(&text));
    }
    gpus.truncate(GPUS_MAX);
    gpus
}

/// Reads what nvidia-smi printed: a line per processor, `[N/A]` and the like where it cannot say.
pub fn nvidia_parse(csv: &str) -> Vec<Gpu> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split(',').map(str::trim).collect();
        if words.len() != COLUMNS || words[0].parse::<u16>().is_err() {
            return None;
        }
        let n = |at: usize| words[at].trim_start_matches('P').parse::<f64>().ok().filter(|n| n.is_finite());
        Some(Gpu {
            name: words[0].to_owned(),
            usage: n(1).map(|percent| percent / 100.0),
            memory_used_bytes: n(2).map(|mib| mib * MIB),
            memory_total_bytes: n(3).map(|mib| mib * MIB),
            celsius: n(4),
            power_watts: n(5),
            performance_state: n(6),
            clock_graphics_hz: n(7).map(|mhz| mhz * 1e6),
            clock_sm_hz: n(8).map(|mhz| mhz * 1e6),
            clock_memory_hz: n(9).map(|mhz| mhz * 1e6),
            clock_video_hz: n(10).map(|mhz| mhz * 1e6),
            ecc_corrected: n(11),
            ecc_uncorrected: n(12),
            ecc_corrected_ever: n(13),
            ecc_uncorrected_ever: n(14),
            retired_single_bit: n(15),
            retired_double_bit: n(16),
        })
    };
    csv.lines().filter_map(row).take(GPUS_MAX).collect()
}

fn amd(root: &Path) -> Vec<Gpu> {
    let cards = entries(&root.join("sys/class/drm"));
    let card = |path: &std::path::PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_card = name.strip_prefix("card").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let device = path.join("device");
        let usage = number(&device.join("gpu_busy_percent")).filter(|_| is_card)?;
        let sensors = entries(&device.join("hwmon"));
        let sensor = |file: &str| sensors.iter().find_map(|chip| number(&chip.join(file)));
        Some(Gpu {
            name,
            usage: Some(usage / 100.0),
            memory_used_bytes: number(&device.join("mem_info_vram_used")),
            memory_total_bytes: number(&device.join("mem_info_vram_total")),
            celsius: sensor("temp1_input").map(|milli| milli / 1_000.0),
            power_watts: sensor("power1_average").or_else(|| sensor("power1_input")).map(|micro| micro / 1e6),
            clock_graphics_hz: sensor("freq1_input"),
            clock_memory_hz: sensor("freq2_input"),
            ..Gpu::default()
        })
    };
    cards.iter().filter_map(card).collect()
}
