import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { API_ROOT } from "./client";

/** One event stream per tab. Events are small references: they name topics, and the queries under
 * those topics are fetched again, at most four times a second. */

const HEARTBEAT_MISSING_MS = 30_000;
const HIDDEN_CLOSE_MS = 60_000;
const FLUSH_MS = 250;

export interface Live {
  word: "connecting" | "live" | "stopped";
  /** When the last sign of life came, in ms; null before the first. */
  at: number | null;
}

let live: Live = { word: "connecting", at: null };
const listeners = new Set<() => void>();

function set(next: Live): void {
  live = next;
  for (const listener of listeners) listener();
}

export function useLive(): Live {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => live,
  );
}

/** True when a change of `topic` concerns the query whose key starts with `head`. */
export function touches(topic: string, head: string): boolean {
  if (topic === SAMPLES) return head === SAMPLES;
  return [topic, ...(CARRIES[topic] ?? [])].some((word) => word === head || word.startsWith(`${head}/`) || head.startsWith(`${word}/`));
}

/** Samples came in, as they do all the time: that concerns what shows the newest ones and nothing below. */
const SAMPLES = "monitor";

/** What else is seen differently after a change under a topic. */
const CARRIES: Record<string, string[]> = {
  hosts: ["overview", "practices"],
  findings: ["overview", "practices", "hosts"],
  plans: ["overview", "firewall"],
  "join-tokens": ["hosts"],
  users: ["account"],
  journal: ["audit"],
  "monitor/alarms": ["monitor/rules", "overview"],
  "firewall/groups": ["firewall/effective", "firewall/exposure", "firewall/matrix", "firewall/isolated", "resources/SecurityGroup", "resources/PrefixList", "resources/PortPolicy"],
  "firewall/exposure": ["firewall/matrix"],
  "firewall/hits": ["firewall/denied", "firewall/effective", "firewall/groups"],
  "firewall/bans": ["firewall/feed", "firewall/allow"],
  resources: ["monitor/rules", "monitor/channels", "monitor/silences", "monitor/probes"],
};

/** Opens the stream and keeps it open while the tab is seen; answers with the function that closes it. */
export function openStream(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let pending = new Set<string>();
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;

  const alive = () => set({ word: "live", at: Date.now() });

  const flush = () => {
    flushTimer = undefined;
    const topics = pending;
    pending = new Set();
    void client.invalidateQueries({
      predicate: ({ queryKey }) => typeof queryKey[0] === "string" && [...topics].some((topic) => touches(topic, queryKey[0] as string)),
    });
  };

  const open = () => {
    source?.close();
    source = new EventSource(`${API_ROOT}/stream`);
    source.addEventListener("open", alive);
    source.addEventListener("heartbeat", alive);
    source.addEventListener("reset", () => {
      alive();
      void client.invalidateQueries();
    });
    source.addEventListener("change", (message) => {
      alive();
      for (const topic of topicsOf(message.data)) pending.add(topic);
      flushTimer ??= setTimeout(flush, FLUSH_MS);
    });
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => source?.readyState === EventSource.CLOSED && open(), 5_000);
    });
  };

  const watch = setInterval(() => {
    if (live.word === "live" && Date.now() - (live.at ?? 0) > HEARTBEAT_MISSING_MS) set({ word: "stopped", at: live.at });
    if (live.word === "connecting" && source !== null && source.readyState !== EventSource.OPEN) set({ word: "stopped", at: live.at });
  }, 5_000);

  const onVisibility = () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      hiddenTimer = setTimeout(() => {
        source?.close();
        source = null;
      }, HIDDEN_CLOSE_MS);
    } else if (source === null) {
      open();
      void client.invalidateQueries();
    }
  };

  open();
  document.addEventListener("visibilitychange", onVisibility);
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    clearInterval(watch);
    clearTimeout(flushTimer);
    clearTimeout(hiddenTimer);
    source?.close();
    source = null;
    set({ word: "connecting", at: null });
  };
}

function topicsOf(data: string): string[] {
  try {
    const body: unknown = JSON.parse(data);
    if (typeof body === "object" && body !== null && "topics" in body && Array.isArray(body.topics)) {
      return body.topics.filter((topic) => typeof topic === "string");
    }
  } catch {
    // a malformed message names nothing; the next refetch catches up
  }
  return [];
}
