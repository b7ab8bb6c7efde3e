//! Kernel parameters of the running system, from `/proc/sys` (sysctl(8), proc_sys(5)).

use crate::{Root, SysError};

/// The longest value that is read, in bytes; a page is the kernel's own limit for most.
const VALUE_BYTES_MAX: u64 = 4_096;

/// The value of `kernel.dmesg_restrict` and the like, white space as single blanks; `None` if this
/// kernel does not have it. Parts that hold dots themselves (some interface names) cannot be asked for.
pub fn read(root: &Root, key: &str) -> Result<Option<String>, SysError> {
    if !root.is_live() {
        return Err(SysError::NotLive("a kernel parameter"));
    }
    let sane = key
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
    if !sane {
        return Err(SysError::Malformed {
            what: "the name of a kernel parameter".to_owned(),
            message: key.escape_default().to_string(),
        });
    }
    match root.read_up_to(format!("/proc/sys/{}", key.replace('.', "/")), VALUE_BYTES_MAX) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).split_ascii_whitespace().collect::<Vec<_>>().join(" "))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_parameter_that_every_kernel_has_is_read_and_one_that_none_has_is_absent() {
        let live = Root::live();
        assert_eq!(read(&live, "kernel.ostype").unwrap().as_deref(), Some("Linux"));
        assert_eq!(read(&live, "kernel.palisade_none").unwrap(), None);
        assert!(!read(&live, "kernel.printk").unwrap().unwrap().contains('\t'));
    }

    #[test]
    fn a_name_cannot_lead_elsewhere_and_a_scratch_root_has_none() {
        for key in ["", "..", "kernel..x", "kernel/../../etc/passwd", "a.\u{0}"] {
            assert!(read(&Root::live(), key).is_err(), "{key}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(&Root::scratch(dir.path()).unwrap(), "kernel.ostype"), Err(SysError::NotLive(_))));
    }
}
