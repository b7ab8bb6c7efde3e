//! What programs and files of the hardware say, from captured output and trees of files.

use crate::tree::{Tree, sample};
use palisade_monitor::difference;
use palisade_sys::sample::{Hardware, nvidia_parse, smart_parse};
use proptest::prelude::*;
use std::sync::Arc;

const NVME: &str = include_str!("../hardware/smart-nvme.json");
const ATA: &str = include_str!("../hardware/smart-ata-failing.json");
const STANDBY: &str = include_str!("../hardware/smart-standby.json");
const NVIDIA: &str = include_str!("../hardware/nvidia-smi.csv");

/// The values of the hardware group.
fn values(hardware: Hardware) -> Vec<String> {
    let mut taken = sample(&mut Tree::new().sampler(), 0);
    taken.hardware = Arc::new(hardware);
    let frame = difference::frame(&taken, &taken, &mut |_| None);
    let is_hardware =
        |key: &str| ["temperature", "memory_errors", "infiniband", "smart", "gpu"].iter().any(|g| key.starts_with(g));
    frame.metrics.iter().filter(|(key, _)| is_hardware(key)).map(|(key, value)| format!("{key} {value}")).collect()
}

#[test]
fn the_records_of_disks_are_read() {
    let disks = [("nvme0n1", NVME), ("sda", ATA), ("sdb", STANDBY)];
    let disks: Vec<_> = disks.iter().filter_map(|(name, json)| smart_parse(name, json)).collect();
    let expected = [
        "smart_failing{device=\"nvme0n1\"} 0",
        "smart_failing{device=\"sda\"} 1",
        "smart_media_errors{device=\"nvme0n1\"} 2",
        "smart_media_errors{device=\"sda\"} 12",
        "smart_pending_sectors{device=\"sda\"} 16",
        "smart_power_on_seconds{device=\"nvme0n1\"} 32842800",
        "smart_power_on_seconds{device=\"sda\"} 126428400",
        "smart_reallocated_sectors{device=\"sda\"} 2048",
        "smart_temperature_celsius{device=\"nvme0n1\"} 41",
        "smart_temperature_celsius{device=\"sda\"} 34",
        "smart_used_ratio{device=\"nvme0n1\"} 0.03",
    ];
    assert_eq!(values(Hardware { disks, ..Hardware::default() }), expected);
}

#[test]
fn graphics_processors_say_what_they_can() {
    let gpus = nvidia_parse(NVIDIA);
    assert_eq!(gpus.len(), 2);
    let said = values(Hardware { gpus, ..Hardware::default() });
    for expected in [
        "gpu_usage_ratio{gpu=\"0\"} 0.87",
        "gpu_memory_used_bytes{gpu=\"0\"} 31994150912",
        "gpu_power_watts{gpu=\"0\"} 243.17",
        "gpu_performance_state{gpu=\"1\"} 8",
        "gpu_clock_sm_hertz{gpu=\"0\"} 1410000000",
        "gpu_ecc_corrected_ever{gpu=\"0\"} 15",
        "gpu_ecc_uncorrected_ever{gpu=\"0\"} 1",
        "gpu_temperature_celsius{gpu=\"1\"} 38",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected} is not in {said:#?}");
    }
    assert!(
        !said
            .iter()
            .any(|line| line.starts_with("gpu_usage_ratio{gpu=\"1\"}")
                || line.starts_with("gpu_ecc_corrected{gpu=\"1\"}"))
    );
}

#[test]
fn files_of_sensors_are_read_and_what_is_not_connected_is_left_out() {
    let tree = Tree::new();
    for (file, text) in [
        ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "54000\n"),
        ("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
        ("sys/class/hwmon/hwmon0/temp1_max", "80000\n"),
        ("sys/class/hwmon/hwmon1/name", "nvme\n"),
        ("sys/class/hwmon/hwmon1/temp1_input", "40850\n"),
        ("sys/class/hwmon/hwmon2/name", "nvme\n"),
        ("sys/class/hwmon/hwmon2/temp1_input", "39850\n"),
        ("sys/class/hwmon/hwmon2/temp2_input", "-128000\n"),
        ("sys/class/hwmon/hwmon2/temp3_input", "junk\n"),
        ("sys/class/thermal/thermal_zone0/temp", "54000\n"),
        ("sys/devices/system/edac/mc/mc0/ce_count", "4\n"),
        ("sys/devices/system/edac/mc/mc0/ue_count", "1\n"),
        ("sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n"),
        ("sys/class/infiniband/mlx5_1/ports/1/state", "1: DOWN\n"),
        ("sys/class/drm/card0/device/gpu_busy_percent", "37\n"),
        ("sys/class/drm/card0/device/mem_info_vram_used", "1000\n"),
        ("sys/class/drm/card0/device/mem_info_vram_total", "4000\n"),
        ("sys/class/drm/card0/device/hwmon/hwmon5/temp1_input", "61000\n"),
        ("sys/class/drm/card0/device/hwmon/hwmon5/power1_average", "95000000\n"),
    ] {
        tree.write(file, text);
    }
    let expected = [
        "gpu_memory_free_bytes{gpu=\"card0\"} 3000",
        "gpu_memory_used_bytes{gpu=\"card0\"} 1000",
        "gpu_memory_used_ratio{gpu=\"card0\"} 0.25",
        "gpu_power_watts{gpu=\"card0\"} 95",
        "gpu_temperature_celsius{gpu=\"card0\"} 61",
        "gpu_usage_ratio{gpu=\"card0\"} 0.37",
        "infiniband_down 1",
        "memory_errors_corrected_total 4",
        "memory_errors_uncorrected_total 1",
        "temperature_celsius{sensor=\"coretemp Package id 0\"} 54",
        "temperature_celsius{sensor=\"nvme temp1 #2\"} 39.85",
        "temperature_celsius{sensor=\"nvme temp1\"} 40.85",
    ];
    assert_eq!(values(Hardware::look(tree.path())), expected);
}

#[test]
fn a_machine_without_sensors_says_nothing() {
    assert_eq!(Hardware::look(Tree::new().path()), Hardware::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_output_of_a_program_makes_it_panic(text in ".{0,300}", cut in 0_usize..2_000, json in "[\\[\\]{}:,\"a-z0-9]{0,60}") {
        smart_parse("sda", &text);
        smart_parse("sda", &json);
        smart_parse("sda", NVME.get(..cut).unwrap_or(""));
        nvidia_parse(&text);
        nvidia_parse(NVIDIA.get(..cut.min(NVIDIA.len())).unwrap_or(""));
    }
}
