//! Loaded kernel modules, in two views: `/proc/modules` and `/sys/module`.
//!
//! What hides a module takes it out of the list behind `/proc/modules`; its directory in
//! `/sys/module` often stays. The two views are compared, and a module that is loaded or unloaded
//! between the readings is not taken for a hidden one.

use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// More modules than this are not listed; a desktop kernel has about 300 loaded.
pub const MODULES_MAX: usize = 10_000;

/// A loaded module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The modules that need it.
    pub used_by: Vec<String>,
    /// Why it taints the kernel: `O` built outside the kernel's tree, `E` not signed, `P` proprietary.
    pub taint: Option<String>,
}

/// What both views say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    /// Those of `/proc/modules`, by name.
    pub list: Vec<Module>,
    /// In `/sys/module` as loaded, and not in `/proc/modules`.
    pub hidden: Vec<String>,
}

/// The modules of the running kernel; none if it was built without modules.
pub fn modules(root: &Root) -> Result<Modules, SysError> {
    if !root.is_live() {
        return Err(SysError::NotLive("the list of kernel modules"));
    }
    let before = listed(root)?;
    let sys = in_sys(root)?;
    let mut hidden: BTreeSet<String> = sys;
    before.iter().for_each(|m| _ = hidden.remove(&m.name));
    if !hidden.is_empty() {
        // loaded just now, or being unloaded: it is in the list or gone at the second look
        listed(root)?.iter().for_each(|m| _ = hidden.remove(&m.name));
        let still = in_sys(root)?;
        hidden.retain(|name| still.contains(name));
    }
    Ok(Modules { list: before, hidden: hidden.into_iter().collect() })
}

fn listed(root: &Root) -> Result<Vec<Module>, SysError> {
    Ok(root.text_if_exists("/proc/modules")?.map(|text| parse(&text)).unwrap_or_default())
}

/// Names below `/sys/module` that have an `initstate` of `live`; what is built in has none.
fn in_sys(root: &Root) -> Result<BTreeSet<String>, SysError> {
    let names = root.names("/sys/module")?;
    let live =
        |name: &String| root.text(format!("/sys/module/{name}/initstate")).is_ok_and(|state| state.trim() == "live");
    Ok(names.into_iter().filter_map(|n| n.into_string().ok()).filter(live).take(MODULES_MAX).collect())
}

/// The lines of `/proc/modules`: `name size count users state address (taint)`.
fn parse(text: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = text.lines().filter_map(module).take(MODULES_MAX).collect();
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    modules
}

fn module(line: &str) -> Option<Module> {
    let fields: Vec<&str> = line.split_ascii_whitespace().take(7).collect();
    let users = fields.get(3)?.split(',').filter(|u| !u.is_empty() && *u != "-" && !u.starts_with('['));
    let taint = fields.get(6).and_then(|t| t.strip_prefix('(')?.strip_suffix(')'));
    let mut used_by: Vec<String> = users.map(str::to_owned).collect();
    used_by.sort();
    Some(Module { name: fields[0].to_owned(), size: fields[1].parse().ok()?, used_by, taint: taint.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_list_is_read() {
        let text = "nf_tables 290816 1 nft_chain_nat,nfnetlink, Live 0xffffffffc0a00000\n\
            vboxdrv 524288 0 - Live 0xffffffffc0b00000 (OE)\next4 1007616 1 - Live 0x0000000000000000\n\
            unix_diag 16384 0 [permanent], Live 0x0\nbad line\n";
        let list = parse(text);
        assert_eq!(
            list.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["ext4", "nf_tables", "unix_diag", "vboxdrv"]
        );
        assert_eq!(list[1].used_by, ["nfnetlink", "nft_chain_nat"]);
        assert_eq!((list[2].used_by.len(), list[3].taint.as_deref(), list[3].size), (0, Some("OE"), 524_288));
    }

    #[test]
    fn this_kernel_hides_nothing() {
        let modules = modules(&Root::live()).unwrap();
        assert_eq!(modules.hidden, Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9 ,()\\[\\]\n-]{0,300}") {
            let _ = parse(&text);
        }
    }
}
