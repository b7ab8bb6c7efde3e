import type { Isolated } from "../../../api/firewall";
import { useList } from "../../../api/queries";

const ISOLATED_MAX = 1_000;

const useRows = (): Isolated[] => useList("firewall/isolated", { limit: ISOLATED_MAX }).rows ?? [];

/** The isolation of a host, if it is isolated. */
export const useIsolated = (host: string): Isolated | undefined => useRows().find((row) => row.host === host);

/** The hosts that are cut off. */
export const useIsolatedHosts = (): Set<string> => new Set(useRows().map((row) => row.host));
