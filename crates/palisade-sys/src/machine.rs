//! What tells a machine from a copy of its disk.
//!
//! `/etc/machine-id` (machine-id(5)) is a file and is copied with the disk, so it cannot decide alone:
//! two disks that were made from one image would be one machine. What a copied disk does not carry is
//! the hardware it runs on. Therefore the id is a hash over the machine id *and* a part of the hardware:
//! * the UUID that firmware or hypervisor gives the machine (SMBIOS 7.2.1, `product_uuid`), if it has one
//!   of its own: boards that were never given one say all zeroes, all ones, or a text of their maker;
//! * else the permanent address of the first physical network interface. Never all of them: cards are
//!   plugged into running machines, by hand or by a cloud's own tools, and the machine stays the same.
//!
//! A virtual machine that was copied *with* its UUID and without a new network card has the same id.
//! That two of them run at once shows otherwise: every run of an agent has an id of its own.

use crate::{Root, SysError};

const MACHINE_ID_FILE: &str = "/etc/machine-id";
const PRODUCT_UUID_FILE: &str = "/sys/class/dmi/id/product_uuid";
const INTERFACES_DIR: &str = "/sys/class/net";
/// The longest of these files that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4_096;
/// Interfaces looked at; a host full of containers has thousands, and its own come first.
const INTERFACES_MAX: usize = 4_096;
/// `NET_ADDR_PERM`: the address is the one that the card was made with (linux/netdevice.h).
const ADDRESS_PERMANENT: &str = "0";
/// Given to whole series of boards instead of a UUID of their own.
const UUIDS_OF_NOBODY: [&str; 3] = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
];

/// A hash that is the same on every start of this machine, and another one on a copy of its disk; 32
/// hexadecimal digits. Neither the machine id nor an address can be told from it. `None` where there
/// is nothing to go by. The UUID can be read by root only: another user gets another id.
pub fn id(root: &Root) -> Option<String> {
    let file = line(root, MACHINE_ID_FILE).filter(|id| id != "uninitialized");
    let hardware = product_uuid(root).or_else(|| first_address(root));
    if file.is_none() && hardware.is_none() {
        return None;
    }
    let parts = format!("{}\n{}", file.unwrap_or_default(), hardware.unwrap_or_default());
    let hash = blake3::derive_key("palisade 1 machine of a host", parts.as_bytes());
    Some(hash[..16].iter().map(|b| format!("{b:02x}")).collect())
}

/// The UUID of the machine, if it is its own.
fn product_uuid(root: &Root) -> Option<String> {
    let uuid = line(root, PRODUCT_UUID_FILE)?;
    let digits = uuid.bytes().filter(u8::is_ascii_hexdigit).count();
    (digits == 32 && !UUIDS_OF_NOBODY.contains(&uuid.as_str())).then_some(uuid)
}

/// The permanent address of the physical interface with the lowest number.
fn first_address(root: &Root) -> Option<String> {
    let names = root.names(INTERFACES_DIR).ok()?;
    let physical = names.iter().take(INTERFACES_MAX).filter_map(|name| {
        let dir = format!("{INTERFACES_DIR}/{}", name.to_str()?);
        // only what stands on a bus has a device
        let is_card = root.exists(format!("{dir}/device"));
        let permanent = line(root, &format!("{dir}/addr_assign_type")).as_deref() == Some(ADDRESS_PERMANENT);
        let number: u32 = line(root, &format!("{dir}/ifindex"))?.parse().ok()?;
        let address = line(root, &format!("{dir}/address"))?;
        (is_card && permanent).then_some((number, address))
    });
    physical.min().map(|(_, address)| address)
}

/// The first line of a file in lower case; `None` if it is empty or cannot be read.
fn line(root: &Root, path: &str) -> Option<String> {
    let bytes = match root.read_up_to(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => {
            if !error.is_not_found() {
                said(path, &error);
            }
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_ascii_lowercase();
    (!text.is_empty()).then_some(text)
}

fn said(path: &str, error: &SysError) {
    tracing::debug!(path, %error, "a part of the machine's id");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;

    /// A card: name, number, address, how the address came.
    type Card<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn host(machine: &str, uuid: &str, cards: &[Card<'_>]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        };
        if !machine.is_empty() {
            write(MACHINE_ID_FILE, machine);
        }
        if !uuid.is_empty() {
            write(PRODUCT_UUID_FILE, uuid);
        }
        for (name, number, address, assigned) in cards {
            let card = Path::new(INTERFACES_DIR).join(name);
            let file = |part: &str| card.join(part).to_string_lossy().into_owned();
            write(&file("ifindex"), number);
            write(&file("address"), address);
            write(&file("addr_assign_type"), assigned);
            if *name != "lo" && !name.starts_with("veth") {
                write(&file("device/vendor"), "0x1af4");
            }
        }
        id(&Root::scratch(dir.path()).unwrap())
    }

    const MACHINE: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";
    const UUID: &str = "4C4C4544-0032-3910-8048-B4C04F4D3232";
    const OTHER_UUID: &str = "4C4C4544-0032-3910-8048-B4C04F4D3233";
    const CARD: Card<'_> = ("eth0", "2", "52:54:00:00:00:01", "0");
    const OTHER_CARD: Card<'_> = ("eth0", "2", "52:54:00:00:00:02", "0");
    const PLUGGED: Card<'_> = ("eth1", "7", "52:54:00:00:00:09", "0");

    #[test]
    fn a_copied_disk_on_other_hardware_is_another_machine() {
        assert_ne!(host(MACHINE, UUID, &[CARD]), host(MACHINE, OTHER_UUID, &[CARD]));
        assert_ne!(host(MACHINE, "", &[CARD]), host(MACHINE, "", &[OTHER_CARD]));
    }

    #[test]
    fn the_same_machine_has_the_same_id_after_a_card_was_plugged_in() {
        assert_eq!(host(MACHINE, UUID, &[CARD]), host(MACHINE, &UUID.to_lowercase(), &[CARD, PLUGGED]));
        assert_eq!(host(MACHINE, "", &[CARD]), host(MACHINE, "", &[PLUGGED, CARD]));
    }

    #[test]
    fn a_uuid_that_a_whole_series_has_does_not_decide() {
        for nobody in UUIDS_OF_NOBODY.into_iter().chain(["Not Settable"]) {
            assert_ne!(host(MACHINE, nobody, &[CARD]), host(MACHINE, nobody, &[OTHER_CARD]), "{nobody}");
        }
    }

    #[test]
    fn addresses_that_software_made_do_not_count() {
        let made = [("lo", "1", "00:00:00:00:00:00", "0"), ("veth1", "3", "52:54:00:00:00:0a", "0")];
        let random = [("eth0", "2", "52:54:00:00:00:0b", "1")];
        assert_eq!(host(MACHINE, "", &made), host(MACHINE, "", &random));
    }

    #[test]
    fn nothing_to_go_by_is_no_id_and_an_id_tells_nothing() {
        assert_eq!(host("", "", &[]), None);
        assert_eq!(host("uninitialized", "", &[]), None);
        let id = host(MACHINE, UUID, &[CARD]).unwrap();
        assert_eq!(id.len(), 32);
        assert!(!id.contains(&MACHINE[..8]) && id.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
