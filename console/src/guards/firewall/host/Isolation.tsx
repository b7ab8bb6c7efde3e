import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { Action } from "../../../parts/Action/Action";
import { useCan } from "../../../parts/Action/useCan";
import { Untrusted } from "../../../parts/Command/Command";
import { StaleNote } from "../../../parts/Notice/Notice";
import { TimeAgo } from "../../../parts/TimeAgo/TimeAgo";
import { to } from "../../../paths";
import { useIsolated } from "./isolated";
import { text } from "./text";

const IsolationDialog = lazy(() => import("./IsolationDialog"));

/** Whether the host is cut off, and the way to cut it off or to give it back. */
export function Isolation({ host }: { host: string }) {
  const isolated = useIsolated(host);
  const can = useCan("operator");
  const [asked, setAsked] = useState<"isolate" | "release" | null>(null);
  return (
    <>
      {isolated && (
        <StaleNote>
          {text.isolatedBy(isolated.by)} <TimeAgo time={isolated.since} />
          {isolated.ends_at && (
            <>
              {`, ${text.ends} `}
              <TimeAgo time={isolated.ends_at} />
            </>
          )}
          {": "}
          <Untrusted>{isolated.reason}</Untrusted>
          {isolated.plan && (
            <>
              {" · "}
              <Link to={to.plan(isolated.plan)}>{isolated.plan}</Link>
            </>
          )}
        </StaleNote>
      )}
      <div style={{ display: "flex", gap: 8 }}>
        <Action can={can} onClick={() => setAsked(isolated ? "release" : "isolate")}>
          {isolated ? text.release : text.isolate}
        </Action>
      </div>
      <Suspense>{asked && <IsolationDialog host={host} what={asked} onClose={() => setAsked(null)} />}</Suspense>
    </>
  );
}
