//! Runs a program that belongs to the hardware's maker and reads what it prints.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How much of its output is read, in bytes; 20 kB is usual.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// The first of these that is there; never looked up in `PATH`.
pub(super) fn find(root: &Path, programs: &[&'static str]) -> Option<&'static str> {
    programs.iter().copied().find(|program| root.join(program.trim_start_matches('/')).is_file())
}

/// What it prints, whatever its exit code: smartctl says with it how the disk is. `None` if it could
/// not be run or has not ended its output within the limit; it is ended then.
pub(super) fn output(program: &str, arguments: &[&str], limit: Duration) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let pipe = child.stdout.take()?;
    let (send, receive) = mpsc::channel();
    let read = move || {
        let mut bytes = Vec::new();
        if pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).is_ok() {
            // nobody waits any more after the limit
            let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    };
    let text = match std::thread::Builder::new().name("hardware-output".to_owned()).spawn(read) {
        Ok(_) => receive.recv_timeout(limit).ok(),
        Err(_) => None,
    };
    if text.is_none() {
        tracing::debug!(program, "no output in time; not measured this time");
    }
    // one that hangs in the kernel cannot be ended: it must not hold this thread either
    let _ = child.kill();
    std::thread::Builder::new().name("hardware-wait".to_owned()).spawn(move || child.wait()).ok()?;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_not_waited_for() {
        let begun = std::time::Instant::now();
        assert_eq!(output("/bin/sleep", &["30"], Duration::from_millis(50)), None);
        assert!(begun.elapsed() < Duration::from_secs(20));
        let said = output("/bin/echo", &["a b"], Duration::from_secs(20));
        assert_eq!(said.as_deref(), Some("a b\n"));
        assert_eq!(output("/not/there", &[], Duration::from_secs(1)), None);
    }
}
