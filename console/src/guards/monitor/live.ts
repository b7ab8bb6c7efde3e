import { useEffect } from "react";
import { act } from "../../api/queries";

const LIVE_EVERY_MS = 10_000;

/** Asks for a sample a second, again and again while somebody looks; the host stops by itself. */
export function useLiveSamples(host: string, live: boolean): void {
  useEffect(() => {
    if (!live) return;
    const ask = () => {
      // A refusal only means that the samples stay a minute apart.
      if (!document.hidden) void act.monitorLive(host).catch(() => undefined);
    };
    ask();
    const timer = setInterval(ask, LIVE_EVERY_MS);
    return () => clearInterval(timer);
  }, [host, live]);
}
