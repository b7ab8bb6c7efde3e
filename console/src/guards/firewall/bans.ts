import type { BanLine } from "../../api/firewall";

/** Bans as they are pasted: an address, then for how long, then why; one a line. */

const TIME = /^\d+[smhdw]$/;
export const BANS_MAX = 100_000;

export function banLines(text: string): BanLine[] {
  return text
    .split("\n")
    .map((line) => (line.split("#")[0] ?? "").trim())
    .filter((line) => line !== "")
    .slice(0, BANS_MAX)
    .map(lineOf);
}

function lineOf(line: string): BanLine {
  const [address = "", ...rest] = line.split(/[\s,;]+/).filter((word) => word !== "");
  const time = rest[0] !== undefined && TIME.test(rest[0]) ? rest.shift() : undefined;
  return { address, ...(time ? { for: time } : {}), ...(rest.length > 0 ? { reason: rest.join(" ") } : {}) };
}

/** The packet that asks about an address: its way to a port of a host. */
export function packetOf(address: string, host: string, port: string): string {
  const from = address.includes(":") ? `[${address}]` : address;
  return `tcp ${from}:40000 -> ${host}:${port === "" ? "443" : port}`;
}
