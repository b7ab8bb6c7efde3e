//! `sshd -T`: the server's own word on its settings. It reads files and prints; it changes nothing.

use super::{Setting, Source, Sshd};
use crate::SysError;
use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Where the program lies; never looked up in `PATH`.
pub(super) const PROGRAMS: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"];
/// How long it may take; 20 ms is usual.
const TIMEOUT_MS: u64 = 1_000;
/// How much of its output is read, in bytes; 5 kB is usual.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;

/// What `sshd -T` prints.
pub(super) fn ask(program: &'static str) -> Result<String, SysError> {
    let failed = |message: String| SysError::Run { program, message };
    let mut child = Command::new(program)
        .arg("-T")
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    let output = outputs(&mut child);
    if output.is_none() {
        let _ = child.kill(); // ended by itself meanwhile: just as well
    }
    let status = child.wait().map_err(|e| failed(e.to_string()))?;
    match output {
        None => Err(failed(format!("no answer within {TIMEOUT_MS} ms"))),
        Some((out, _)) if status.success() => Ok(out),
        Some((_, err)) => {
            let line: String = err.lines().next().unwrap_or_default().chars().take(200).collect();
            Err(failed(format!("{status}: {}", line.escape_debug())))
        }
    }
}

/// Standard output and standard error, or `None` if the program has not closed them in time.
fn outputs(child: &mut Child) -> Option<(String, String)> {
    let (out, err) = (reader(child.stdout.take()?), reader(child.stderr.take()?));
    let limit = Duration::from_millis(TIMEOUT_MS);
    Some((out.recv_timeout(limit).ok()?, err.recv_timeout(limit).ok()?))
}

fn reader(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        if read.is_ok() {
            // nobody waits any more after the time limit
            let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
        }
    });
    receive
}

/// Puts the printed values in place of those read from the files, which keep telling where a value
/// stands if they say the same.
pub(super) fn merge(sshd: &mut Sshd, printed: &str) {
    let mut effective: BTreeMap<String, Setting> = BTreeMap::new();
    for line in printed.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        let keyword = keyword.to_ascii_lowercase();
        match effective.get_mut(&keyword) {
            Some(setting) => {
                setting.value.push(' ');
                setting.value.push_str(value.trim());
            }
            None => {
                let value = value.trim().to_owned();
                effective.insert(keyword.clone(), Setting { keyword, value, ..Setting::default() });
            }
        }
    }
    if effective.is_empty() {
        sshd.fallback = Some("`sshd -T` printed nothing".to_owned());
        return;
    }
    for setting in effective.values_mut() {
        match sshd.settings.get(&setting.keyword) {
            Some(read) if same(&read.value, &setting.value) => {
                (setting.file, setting.line) = (read.file.clone(), read.line);
            }
            // lists are rewritten by sshd (`+ssh-rsa` becomes the whole list): the place is right all the same
            Some(read) if read.value.starts_with(['+', '-', '^']) => {
                (setting.file, setting.line) = (read.file.clone(), read.line);
            }
            Some(_) => setting.file = "sshd -T".to_owned(),
            None => {}
        }
    }
    sshd.settings = effective;
    sshd.source = Source::Effective;
}

fn same(read: &str, printed: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace("without-password", "prohibit-password");
    plain(read) == plain(printed)
}
