import { useMantineColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { to } from "../paths";

/** Where the choice to switch single keys off is kept. */
export const SHORTCUTS_KEY = "palisade.shortcuts";
const CHORD_MS = 1_200;

const GO: Record<string, string> = { o: to.overview(), h: to.hosts(), f: to.findings(), i: to.incidents(), a: to.alarms(), p: to.plans() };

/** The keyboard map. Single keys only move; none of them changes anything. */
export function useShortcuts({ onPalette, onKeys }: { onPalette: () => void; onKeys: () => void }): void {
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const chord_ms = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target) || localStorage.getItem(SHORTCUTS_KEY) === "off") return;
      if (document.querySelector('[role="dialog"]') !== null) return;
      if (performance.now() - chord_ms.current < CHORD_MS) {
        chord_ms.current = Number.NEGATIVE_INFINITY;
        const target = GO[event.key];
        if (target !== undefined) {
          event.preventDefault();
          void navigate(target);
        }
        return;
      }
      switch (event.key) {
        case "g":
          chord_ms.current = performance.now();
          return;
        case "/":
          event.preventDefault();
          document.querySelector<HTMLInputElement>("[data-filter]")?.focus();
          return;
        case "j":
        case "k":
          moveRow(event.key === "j" ? 1 : -1);
          return;
        case "t":
          setColorScheme(colorScheme === "auto" ? "light" : colorScheme === "light" ? "dark" : "auto");
          return;
        case "?":
          onKeys();
          return;
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, colorScheme, setColorScheme, onPalette, onKeys]);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function moveRow(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[at === -1 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
