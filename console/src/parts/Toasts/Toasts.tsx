import { Button } from "@mantine/core";
import { useSyncExternalStore } from "react";
import classes from "./Toasts.module.css";

/** Short messages about something that was started here and succeeded. Errors are never toasts. */
const SHOWN_MS = 5_000;
const TOASTS_MAX = 3;

interface Toast {
  id: number;
  message: string;
  undo?: { label: string; run: () => void };
}

let toasts: Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function toast(message: string, undo?: Toast["undo"]): void {
  const id = nextId++;
  set([...toasts, { id, message, undo }].slice(-TOASTS_MAX));
  setTimeout(() => set(toasts.filter((t) => t.id !== id)), SHOWN_MS);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={classes.stack} role="status" aria-live="polite">
      {shown.map((t) => (
        <div key={t.id} className={classes.toast}>
          <span>{t.message}</span>
          {t.undo && (
            <Button
              variant="subtle"
              onClick={() => {
                t.undo?.run();
                set(toasts.filter((other) => other.id !== t.id));
              }}
            >
              {t.undo.label}
            </Button>
          )}
        </div>
      ))}
    </div>
  );
}
