import { useMemo } from "react";
import { useList } from "../../../api/queries";

const KNOWN_MAX = 1_000;

/** What can stand as a peer: lists, groups, hosts, and the security domains that hosts are in. */
export function useKnownPeers(): string[] {
  const lists = useList("resources/PrefixList", { limit: KNOWN_MAX }).rows;
  const groups = useList("firewall/groups", { limit: KNOWN_MAX }).rows;
  const hosts = useList("hosts", { limit: KNOWN_MAX }).rows;
  return useMemo(() => {
    const domains = new Set((hosts ?? []).flatMap((host) => (host.tags.domain ? [host.tags.domain] : [])));
    return [
      "any",
      ...(lists ?? []).map((row) => `list:${row.name}`),
      ...(groups ?? []).map((row) => `group:${row.name}`),
      ...[...domains].map((domain) => `domain:${domain}`),
      ...(hosts ?? []).map((row) => `host:${row.name}`),
    ];
  }, [lists, groups, hosts]);
}
