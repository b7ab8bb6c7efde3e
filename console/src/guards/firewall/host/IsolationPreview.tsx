import { useQuery } from "@tanstack/react-query";
import type { Plan } from "../../../api/types";
import { BlockSkeleton, ErrorCard } from "../../../parts/Notice/Notice";
import { PlanPreview } from "../../../parts/PlanPreview/PlanPreview";

/** What isolating or releasing would do, from a dry run. */
export default function IsolationPreview({ host, what, doing, plan }: { host: string; what: string; doing: string; plan: () => Promise<Plan> }) {
  const { data, error } = useQuery({ queryKey: ["isolation-preview", host, what], queryFn: plan, retry: false, gcTime: 0 });
  if (error) return <ErrorCard doing={doing} error={error} />;
  return data === undefined ? <BlockSkeleton height={96} /> : <PlanPreview plan={data} />;
}
