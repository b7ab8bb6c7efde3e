//! What the figures were measured on.

use crate::run;

/// One line: processor, cores, memory, kernel, commit.
pub fn line() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "processor not named".to_owned());
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let commit = run::quiet(run::command("git", &["describe", "--always", "--dirty"])).unwrap_or_default();
    format!(
        "Machine: {cpu}, {cores} cores, {} MiB, Linux {}; load {}; commit {}.",
        memory.trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024,
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        String::from_utf8_lossy(&commit).trim(),
    )
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|l| l.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_stands_behind_its_colon() {
        assert_eq!(
            field("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", "model name"),
            Some("Some CPU @ 2 GHz".to_owned())
        );
        assert_eq!(field("", "model name"), None);
    }

    #[test]
    fn the_line_names_the_kernel_of_this_machine() {
        assert!(line().contains("Linux ") && line().contains("cores"));
    }
}
