import { Button } from "@mantine/core";
import { IconAlertTriangle, IconClockPause } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { sayError } from "../../api/errors";
import { text } from "../text";
import classes from "./Notice.module.css";

/** Why there is nothing, in a sentence, and the one thing that fills it. */
export function EmptyState({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <strong>{title}</strong>
      {children}
      {action && <div className={classes.action}>{action}</div>}
    </div>
  );
}

/** What we were doing, what the API says about it, and the way to try again. `doing` is a verb phrase. */
export function ErrorCard({ doing, error, onRetry }: { doing: string; error: unknown; onRetry?: () => void }) {
  const { message, hint, requestId } = sayError(error);
  return (
    <div className={classes.error} role="alert">
      <IconAlertTriangle size={16} stroke={1.5} aria-hidden />
      <p className={classes.title}>{text.failed(doing)}</p>
      <p>
        {message}
        {hint && <span className="meta"> {hint}</span>}
        {requestId && <span className="meta mono"> {text.requestId(requestId)}</span>}
      </p>
      {onRetry && (
        <Button className={classes.retry} onClick={onRetry}>
          {text.retry}
        </Button>
      )}
    </div>
  );
}

/** Last values are shown, and they are old. */
export function StaleNote({ children }: { children: ReactNode }) {
  return (
    <p className={classes.stale} role="status">
      <IconClockPause size={16} stroke={1.5} aria-hidden />
      <span>{children}</span>
    </p>
  );
}

/** The shape of rows to come; shown after 150 ms. */
export function RowsSkeleton({ rows = 8 }: { rows?: number }) {
  const widths = ["62%", "48%", "71%", "55%", "39%", "66%", "44%", "58%"];
  return (
    <div className={classes.skeleton} role="status" aria-label={text.loading}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className={classes.bones}>
          <div className={classes.bone} style={{ inlineSize: widths[i % widths.length] }} />
        </div>
      ))}
    </div>
  );
}

export function BlockSkeleton({ height }: { height: number }) {
  return (
    <div className={classes.skeleton} role="status" aria-label={text.loading}>
      <div className={classes.bone} style={{ height }} />
    </div>
  );
}
