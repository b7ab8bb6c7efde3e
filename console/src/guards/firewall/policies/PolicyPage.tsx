import { useQuery } from "@tanstack/react-query";
import { useParams, useSearchParams } from "react-router";
import { ApiError } from "../../../api/errors";
import type { PortPolicySpec } from "../../../api/firewall";
import { resourceQuery } from "../../../api/monitor";
import { ActionLink } from "../../../parts/Action/Action";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { to } from "../../../paths";
import { plain } from "../../../words/escape";
import { FirewallTabs } from "../FirewallTabs";
import { PolicyEditor } from "./PolicyEditor";
import { text } from "./text";

export default function PolicyPage() {
  const { name = "" } = useParams();
  const [search] = useSearchParams();
  const { data, error, refetch } = useQuery(resourceQuery<PortPolicySpec>("PortPolicy", name));
  const missing = error instanceof ApiError && error.status === 404;
  const adding = missing && search.get("show") === "add";
  return (
    <Page key={name} title={plain(name)} heading={<span className="mono">{plain(name)}</span>} actions={data && <ActionLink variant="subtle" to={to.audit({ q: name })}>{text.history}</ActionLink>}>
      <FirewallTabs current="policies" />
      {adding || (data !== undefined && !missing) ? (
        <PolicyEditor name={name} saved={missing ? null : (data ?? null)} />
      ) : missing ? (
        <Card>
          <EmptyState title={text.unknown(plain(name))} action={<ActionLink to={to.policies()}>{text.toPolicies}</ActionLink>} />
        </Card>
      ) : error ? (
        <ErrorCard doing={text.doingOne(plain(name))} error={error} onRetry={() => void refetch()} />
      ) : (
        <BlockSkeleton height={320} />
      )}
    </Page>
  );
}
