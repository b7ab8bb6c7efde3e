//! Running programs: said before, passed on while they run, kept afterwards.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

/// How much of a program's output is kept, in bytes; what comes later is only shown.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A program that has ended.
pub struct Ran {
    /// How.
    pub status: ExitStatus,
    /// Its standard output and error, line by line as they came.
    pub text: String,
}

impl Ran {
    /// An error unless it ended well.
    pub fn good(self) -> Result<Ran> {
        if self.status.success() { Ok(self) } else { bail!("ended with {}", self.status) }
    }
}

/// A command for `program` with `args`.
pub fn command(program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args);
    command
}

/// The command as one line for people.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, arg| format!("{line} {}", arg.to_string_lossy()))
}

/// Runs it with our own standard input and output.
pub fn show(mut command: Command) -> Result<()> {
    let line = shown(&command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    if status.success() { Ok(()) } else { bail!("`{line}` ended with {status}") }
}

/// Runs it, passes its output on as it comes, and keeps it.
pub fn tee(mut command: Command) -> Result<Ran> {
    let line = shown(&command);
    println!("$ {line}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting `{line}`"))?;
    let kept = Arc::new(Mutex::new(String::new()));
    let readers = [
        pass_on(child.stdout.take().context("no standard output")?, kept.clone()),
        pass_on(child.stderr.take().context("no standard error")?, kept.clone()),
    ];
    let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
    for reader in readers {
        let _ = reader.join(); // a reader ends with the program's output and has nothing to tell
    }
    let text = std::mem::take(&mut *kept.lock().expect("no reader panics while it holds the text"));
    Ok(Ran { status, text })
}

/// Runs it silently; its standard output. On failure the error carries the standard error.
pub fn quiet(mut command: Command) -> Result<Vec<u8>> {
    let line = shown(&command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

fn pass_on(from: impl Read + Send + 'static, kept: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            // our own output may be closed (`| head`); the program still has to be read to its end
            let _ = std::io::stdout().write_all(&line);
            let mut kept = kept.lock().expect("no reader panics while it holds the text");
            if kept.len() + line.len() <= KEPT_BYTES_MAX {
                kept.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_kept_and_its_status_too() {
        let ran = tee(command("ls", &["/", "/does-not-exist"])).unwrap();
        assert!(!ran.status.success());
        assert!(ran.text.contains("etc") && ran.text.contains("does-not-exist"));
        assert!(ran.good().is_err());
    }

    #[test]
    fn a_command_is_shown_without_the_path_of_its_program() {
        assert_eq!(shown(&command("/usr/bin/cargo", &["fmt", "--check"])), "cargo fmt --check");
    }
}
