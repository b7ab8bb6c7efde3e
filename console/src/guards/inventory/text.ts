import type { InventoryKind } from "../../api/types";

export const text = {
  inventory: "Inventory",
  kinds: { accounts: "Accounts", ports: "Ports", processes: "Processes", packages: "Packages", modules: "Kernel modules", autostart: "Autostart", webroots: "Web roots" } satisfies Record<InventoryKind, string>,
  kindsLabel: "Kind of asset",
  doing: (kind: string) => `list ${kind}`,
  empty: (kind: string) => `No ${kind} observed.`,
  emptyFiltered: "Nothing matches this filter.",
  yes: "yes",
  no: "no",
  observed: "observed",
  pick: "Host",
  pickNone: "No host has joined yet: there is nothing to list.",
  columns: {
    name: "Name", uid: "Uid", gid: "Gid", home: "Home", shell: "Shell", can_log_in: "Can log in", sudo: "Sudo", last_change: "Password changed",
    protocol: "Protocol", address: "Address", port: "Port", process: "Process", pid: "Pid", user: "User", package: "Package", unit: "Unit",
    ppid: "Parent", cmdline: "Command", started_at: "Started", exe: "Program",
    version: "Version", arch: "Arch", manager: "Manager", kind: "Kind", path: "Path", command: "Command", enabled: "Enabled", server: "Server", config: "Configuration",
    size: "Size", taint: "Taint", password: "Password", used_by: "Used by", state: "State",
  } as Record<string, string>,
};
