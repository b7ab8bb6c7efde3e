//! Under which name a host joins: decided from the names that are taken and the machines that have
//! them, nothing else.

use palisade_core::{HostId, Standing};
use palisade_guard::store::HostRow;
use std::collections::BTreeMap;

/// `web-2`, `web-3`, … up to this number are tried.
const NUMBER_MAX: usize = 20_000;
const NAME_BYTES_MAX: usize = 253;

/// A place in the fleet.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody has the name.
    New(HostId),
    /// The name is of a host that joins again, or that was retired: its row goes on.
    Taken(HostId),
}

/// There is no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// The certificate of the host of this name was withdrawn.
    #[error("the host `{0}` was revoked; its name is not given again")]
    Revoked(HostId),
    /// Too many hosts of one name.
    #[error("more than {NUMBER_MAX} hosts are called `{0}`")]
    Full(HostId),
}

/// The place of a machine that would like to be called `wanted`. A name that is free, or whose host was
/// retired, is given. That of an active host is given to the same machine only; another machine gets
/// the next number behind it. A revoked name is refused when it is asked for, and skipped when it is
/// one with a number.
pub fn place(wanted: &HostId, machine: Option<&str>, hosts: &[HostRow]) -> Result<Place, NoPlace> {
    let by_name: BTreeMap<&HostId, &HostRow> = hosts.iter().map(|h| (&h.id, h)).collect();
    if by_name.get(wanted).is_some_and(|h| h.standing == Standing::Revoked) {
        return Err(NoPlace::Revoked(wanted.clone()));
    }
    let candidates = std::iter::once(wanted.clone()).chain((2..=NUMBER_MAX).filter_map(|n| numbered(wanted, n)));
    for name in candidates {
        match by_name.get(&name) {
            None => return Ok(Place::New(name)),
            Some(host) if may_take(host, machine) => return Ok(Place::Taken(name)),
            Some(_) => {}
        }
    }
    Err(NoPlace::Full(wanted.clone()))
}

fn may_take(host: &HostRow, machine: Option<&str>) -> bool {
    match host.standing {
        Standing::Retired => true,
        Standing::Revoked => false,
        // without a certificate it is the server's own host, or one without an agent: nobody may
        // become it over the network, whatever he says about his machine
        Standing::Active => host.serial.is_some() && machine.is_some() && host.machine.as_deref() == machine,
    }
}

/// `name-n`, shortened so that it stays a name.
fn numbered(name: &HostId, n: usize) -> Option<HostId> {
    let end = format!("-{n}");
    let room = NAME_BYTES_MAX - end.len();
    let start = &name.as_str()[..name.as_str().len().min(room)];
    format!("{start}{end}").parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use palisade_core::Timestamp;

    fn host(name: &str, standing: Standing, machine: &str) -> HostRow {
        HostRow {
            standing,
            machine: Some(machine.to_owned()),
            serial: Some("01".to_owned()),
            ..HostRow::new(name.parse().unwrap(), Timestamp::UNIX_EPOCH)
        }
    }

    fn placed(wanted: &str, machine: Option<&str>, hosts: &[HostRow]) -> String {
        match place(&wanted.parse().unwrap(), machine, hosts) {
            Ok(Place::New(name)) => format!("new {name}"),
            Ok(Place::Taken(name)) => format!("taken {name}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_free_name_is_given_and_a_taken_one_gets_the_next_number() {
        use Standing::Active;
        let hosts = [host("web", Active, "m1"), host("web-2", Active, "m2"), host("db", Active, "m3")];
        assert_eq!(placed("mail", Some("m9"), &hosts), "new mail");
        assert_eq!(placed("web", Some("m9"), &hosts), "new web-3");
        assert_eq!(placed("web", None, &hosts), "new web-3", "a machine that does not say who it is is another one");
    }

    #[test]
    fn the_same_machine_joins_again_under_the_name_that_it_has() {
        let hosts = [host("web", Standing::Active, "m1"), host("web-2", Standing::Active, "m2")];
        assert_eq!(placed("web", Some("m1"), &hosts), "taken web");
        assert_eq!(placed("web", Some("m2"), &hosts), "taken web-2", "it was given a number the first time");
    }

    #[test]
    fn a_retired_name_is_given_again_and_a_revoked_one_is_not() {
        let hosts = [host("old", Standing::Retired, "m1"), host("bad", Standing::Revoked, "m2")];
        assert_eq!(placed("old", Some("m9"), &hosts), "taken old");
        for machine in ["m2", "m9"] {
            assert!(placed("bad", Some(machine), &hosts).contains("was revoked"));
        }
        let numbered = [host("web", Standing::Active, "m1"), host("web-2", Standing::Revoked, "m2")];
        assert_eq!(placed("web", Some("m2"), &numbered), "new web-3");
    }

    #[test]
    fn nobody_becomes_the_servers_own_host_or_one_without_an_agent() {
        let own = HostRow { serial: None, ..host("palisade", Standing::Active, "m1") };
        assert_eq!(placed("palisade", Some("m1"), &[own]), "new palisade-2");
    }

    #[test]
    fn the_longest_name_with_a_number_is_still_a_name() {
        let long = "x".repeat(253);
        let given = placed(&long, None, &[host(&long, Standing::Active, "m1")]);
        assert_eq!(given, format!("new {}-2", "x".repeat(251)));
    }
}
