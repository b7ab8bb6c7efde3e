//! Whether the kernel's clock is kept in step with a time source: adjtimex(2).

use crate::{Root, SysError};
use std::io;

/// True when something has told the kernel lately that the clock is right; the kernel takes it
/// back (`STA_UNSYNC`) when nothing has for some hours. Reading needs no rights.
pub fn synchronised(root: &Root) -> Result<bool, SysError> {
    if !root.is_live() {
        return Err(SysError::NotLive("a clock"));
    }
    // SAFETY: timex is plain data for which all zeroes is a valid value; modes 0 only reads.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the length of the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        let source = io::Error::last_os_error();
        return Err(SysError::Kernel { doing: "asking for the state of the clock".to_owned(), source });
    }
    Ok(timex.status & libc::STA_UNSYNC == 0 && state != libc::TIME_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_answers_and_a_scratch_root_does_not() {
        println!("synchronised: {:?}", synchronised(&Root::live()).expect("reading needs no rights"));
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(synchronised(&Root::scratch(dir.path()).expect("it exists")).is_err());
    }
}
