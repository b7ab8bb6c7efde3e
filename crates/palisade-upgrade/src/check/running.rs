//! Judges what runs against what is installed. Nothing of it applies to a scratch root.

use super::{FINDINGS_MAX, REBOOT_NEEDED, SERVICES_STALE};
use crate::model::{Reboot, StaleService, UpgradeState};
use palisade_core::{Fix, Verdicts};

pub(super) fn reboot_needed(state: &UpgradeState, verdicts: &mut Verdicts) {
    let Some(reboot) = &state.reboot else { return };
    let fix = Fix::text("Restart the server in the next window, after a backup.");
    match why(reboot) {
        Some(evidence) => verdicts.fail(&REBOOT_NEEDED, "kernel and core libraries", evidence, fix),
        None => verdicts.pass(&REBOOT_NEEDED),
    }
}

fn why(reboot: &Reboot) -> Option<String> {
    let kernel = reboot.newer.as_ref().map(|newer| format!("kernel {} runs, {newer} is installed", reboot.running));
    let asked = reboot.required.then(|| match reboot.packages.as_slice() {
        [] => "/run/reboot-required exists".to_owned(),
        packages => format!("/run/reboot-required exists, asked for by {}", packages.join(", ")),
    });
    match (kernel, asked) {
        (Some(kernel), Some(asked)) => Some(format!("{kernel}; {asked}")),
        (kernel, asked) => kernel.or(asked),
    }
}

pub(super) fn services_stale(state: &UpgradeState, verdicts: &mut Verdicts) {
    let Some(services) = &state.services else { return };
    verdicts.fail_each(&SERVICES_STALE, services.stale.iter().take(FINDINGS_MAX), |service| {
        (
            service.name.clone(),
            format!("removed or replaced since the start: {}", service.files.join(", ")),
            restart(service),
        )
    });
    if services.partial {
        verdicts.unknown(&SERVICES_STALE, "the memory maps of some processes cannot be read with these rights");
    }
}

fn restart(service: &StaleService) -> Fix {
    let safe =
        |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"@._:-".contains(&b)) && !name.starts_with('-');
    match service.name.as_str() {
        // restarting the bus ends the sessions of everybody
        "dbus.service" | "dbus-broker.service" => {
            Fix::text("Restart the server: the message bus cannot be restarted alone.")
        }
        name if name.ends_with(".service") && safe(name) => {
            Fix::command("Restart the service.", format!("systemctl restart {name}"))
        }
        _ => Fix::text("End the process and start it again, or restart the server."),
    }
}
