import { useMutation, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { firewallAct } from "../../../api/firewall";
import filters from "../../../parts/FilterBar/FilterBar.module.css";
import { BlockSkeleton } from "../../../parts/Notice/Notice";
import { toast } from "../../../parts/Toasts/Toasts";
import { TypeName } from "../../../parts/TypeName/TypeName";
import { text } from "./text";

const IsolationPreview = lazy(() => import("./IsolationPreview"));

const TIME = "4h";

/** The third level of confirmation: what it does first, then the host's name typed. */
export default function IsolationDialog({ host, what, onClose }: { host: string; what: "isolate" | "release"; onClose: () => void }) {
  return what === "isolate" ? <Isolate host={host} onClose={onClose} /> : <Release host={host} onClose={onClose} />;
}

function Isolate({ host, onClose }: { host: string; onClose: () => void }) {
  const [time, setTime] = useState(TIME);
  const body = (reason: string, dry_run: boolean) => ({ reason, ...(time === "" ? {} : { for: time }), dry_run });
  const act = useAct((reason) => firewallAct.isolate(host, body(reason, false)), text.isolateDone(host), onClose);
  return (
    <TypeName title={text.isolateTitle(host)} name={host} verb={text.isolateVerb} doing={text.doingIsolate} withReason={text.isolateReason} loading={act.isPending} error={act.error} onDo={act.mutate} onClose={onClose}>
      <p>{text.isolateLead}</p>
      <label>
        {text.isolateTime}{" "}
        <select className={filters.select} value={time} onChange={(event) => setTime(event.currentTarget.value)}>
          {Object.entries(text.times).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <Suspense fallback={<BlockSkeleton height={96} />}>
        <IsolationPreview host={host} what="isolate" doing={text.doingIsolate} plan={() => firewallAct.isolate(host, body(text.preview, true))} />
      </Suspense>
    </TypeName>
  );
}

function Release({ host, onClose }: { host: string; onClose: () => void }) {
  const act = useAct(() => firewallAct.release(host, { dry_run: false }), text.releaseDone(host), onClose);
  return (
    <TypeName title={text.releaseTitle(host)} name={host} verb={text.releaseVerb} doing={text.doingRelease} loading={act.isPending} error={act.error} onDo={act.mutate} onClose={onClose}>
      <p>{text.releaseLead}</p>
      <Suspense fallback={<BlockSkeleton height={96} />}>
        <IsolationPreview host={host} what="release" doing={text.doingRelease} plan={() => firewallAct.release(host, { dry_run: true })} />
      </Suspense>
    </TypeName>
  );
}

function useAct(act: (reason: string) => Promise<unknown>, done: string, onClose: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: async () => {
      toast(done);
      onClose();
      await client.invalidateQueries();
    },
  });
}
