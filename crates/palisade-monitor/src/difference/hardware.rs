//! What the machine says of itself.

use super::Draft;
use palisade_sys::sample::{Gpu, Sample, Smart};

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    let hardware = &after.hardware;
    for temperature in &hardware.temperatures {
        draft.put("temperature_celsius", Some(&temperature.sensor), temperature.celsius);
    }
    if let Some((corrected, uncorrected)) = hardware.memory_errors {
        draft.put("memory_errors_corrected_total", None, corrected as f64);
        draft.put("memory_errors_uncorrected_total", None, uncorrected as f64);
    }
    if let Some(is_down) = hardware.infiniband_down {
        draft.put("infiniband_down", None, f64::from(u8::from(is_down)));
    }
    hardware.disks.iter().for_each(|disk| smart(disk, draft));
    hardware.gpus.iter().for_each(|card| gpu(card, draft));
}

fn smart(disk: &Smart, draft: &mut Draft) {
    let count = |n: Option<u64>| n.map(|n| n as f64);
    let values = [
        ("smart_failing", disk.healthy.map(|is_healthy| f64::from(u8::from(!is_healthy)))),
        ("smart_temperature_celsius", disk.celsius),
        ("smart_power_on_seconds", count(disk.power_on_hours).map(|hours| hours * 3_600.0)),
        ("smart_reallocated_sectors", count(disk.reallocated)),
        ("smart_pending_sectors", count(disk.pending)),
        ("smart_media_errors", count(disk.media_errors)),
        ("smart_used_ratio", disk.used_percent.map(|percent| percent / 100.0)),
    ];
    put_all(&values, &disk.device, draft);
}

fn gpu(card: &Gpu, draft: &mut Draft) {
    let memory = card.memory_used_bytes.zip(card.memory_total_bytes).filter(|(_, total)| *total > 0.0);
    let values = [
        ("gpu_usage_ratio", card.usage),
        ("gpu_memory_used_bytes", card.memory_used_bytes),
        ("gpu_memory_free_bytes", memory.map(|(used, total)| (total - used).max(0.0))),
        ("gpu_memory_used_ratio", memory.map(|(used, total)| used / total)),
        ("gpu_temperature_celsius", card.celsius),
        ("gpu_power_watts", card.power_watts),
        ("gpu_performance_state", card.performance_state),
        ("gpu_clock_graphics_hertz", card.clock_graphics_hz),
        ("gpu_clock_sm_hertz", card.clock_sm_hz),
        ("gpu_clock_memory_hertz", card.clock_memory_hz),
        ("gpu_clock_video_hertz", card.clock_video_hz),
        ("gpu_ecc_corrected", card.ecc_corrected),
        ("gpu_ecc_uncorrected", card.ecc_uncorrected),
        ("gpu_ecc_corrected_ever", card.ecc_corrected_ever),
        ("gpu_ecc_uncorrected_ever", card.ecc_uncorrected_ever),
        ("gpu_retired_pages_single_bit", card.retired_single_bit),
        ("gpu_retired_pages_double_bit", card.retired_double_bit),
    ];
    put_all(&values, &card.name, draft);
}

fn put_all(values: &[(&'static str, Option<f64>)], label: &str, draft: &mut Draft) {
    for &(metric, value) in values {
        if let Some(value) = value {
            draft.put(metric, Some(label), value);
        }
    }
}
