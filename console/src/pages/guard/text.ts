import type { Guard } from "../../paths";

interface Story {
  title: string;
  will: string;
}

export const text = {
  doing: "read how the practices stand",
  notBuilt: (guard: string) => `${guard}: this guard is not built yet`,
  unprotected: "Until then Palisade protects nothing here, and says so: its practices are unprotected.",
  will: "What it will do",
  practices: "Its practices",
  serves: "What this guard looks at in this version",
  findings: "Findings of this practice",
  alarmsTitle: "Alarms",
  incidentsTitle: "Incidents",
  section: {
    incidents: { title: "Incidents", will: "Shows what happened in which order, whether somebody got in and whether it is stopped, with the process tree and the evidence; contains it by a ban, a kill or an isolation with an end." },
    alarms: { title: "Alarms", will: "Shows what fires and what caused it; rules are tried against the history before they are switched on." },
  } satisfies Record<string, Story>,
  guards: {
    firewall: { title: "Firewall", will: "Resolves security groups to one nftables ruleset per host, bans addresses with an end, isolates a host." },
    mesh: { title: "Mesh", will: "Builds private WireGuard networks per security domain, isolated from each other, with peering by explicit rules only; logon through the mesh." },
    access: { title: "Access", will: "Watches over accounts, password rules and age, weak passwords, SSH settings and keys." },
    backup: { title: "Backup", will: "Keeps vaults, policies and consistent backups of all disks, and proves by drills that they can be restored." },
    waf: { title: "WAF", will: "Stands before your sites as a reverse proxy that runs the OWASP Core Rule Set; refuses attacks and lets exceptions be made narrowly." },
    intrusion: { title: "Intrusion", will: "Reads logs and kernel sensors, correlates with Sigma rules, makes incidents, and answers with an end." },
    integrity: { title: "Integrity", will: "Notices changed files, blocks and undoes web tampering, scans for malware and puts it into quarantine." },
    inventory: { title: "Inventory", will: "Lists accounts, ports, processes, software, web roots, autostart and kernel modules, with their history." },
    upgrade: { title: "Upgrade", will: "Matches advisories with packages, upgrades in rings and windows, after a restore point and with a way back." },
    monitor: { title: "Monitor", will: "Keeps metrics and their history, evaluates alarm rules, notifies." },
    journal: { title: "Journal", will: "Collects, searches and exports events." },
  } satisfies Record<Guard, Story>,
};
