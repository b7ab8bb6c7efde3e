import { useSyncExternalStore } from "react";
import { queryClient, sessionQuery } from "../api/queries";

/** One clock for the whole page, ticking once a second while somebody looks. It runs at the
 * server's time: ages and deadlines are the server's. */

let tick_ms = serverNow();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

export function serverNow(): number {
  return Date.now() + (queryClient.getQueryData(sessionQuery.queryKey)?.clockOffsetMs ?? 0);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    tick_ms = serverNow();
    for (const l of listeners) l();
  }, 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The present in ms, renewed every second; `coarse_ms` renews less often. */
export function useNow(coarse_ms = 1_000): number {
  return useSyncExternalStore(subscribe, () => Math.floor(tick_ms / coarse_ms) * coarse_ms);
}
