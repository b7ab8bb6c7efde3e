import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { ApiError } from "../../../api/errors";
import { type GroupDetail, groupQuery } from "../../../api/firewall";
import { ActionLink } from "../../../parts/Action/Action";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { changed, to } from "../../../paths";
import { plain } from "../../../words/escape";
import { FirewallTabs } from "../FirewallTabs";
import { GroupEditor } from "./GroupEditor";
import classes from "./Groups.module.css";
import { readDraft } from "./stored";
import { text } from "./text";

/** One group: its rules by direction, its members, and the draft of what shall be. */
export default function GroupPage() {
  const { name = "" } = useParams();
  const [search] = useSearchParams();
  const { data, error, refetch } = useQuery({ ...groupQuery(name), retry: (count, cause) => !(cause instanceof ApiError && cause.status === 404) && count < 2 });
  const missing = error instanceof ApiError && error.status === 404;
  // A group that is only a draft yet is nowhere but in this tab.
  const [fresh] = useState(() => readDraft(name)?.version === 0);
  const links = data && (
    <span className={classes.links}>
      <ActionLink variant="subtle" to={changed(search, { show: "yaml" })}>
        {text.asYaml}
      </ActionLink>
      <ActionLink variant="subtle" to={to.audit({ q: name })}>
        {text.history}
      </ActionLink>
    </span>
  );
  return (
    <Page key={name} title={plain(name)} heading={<span className="mono">{plain(name)}</span>} lead={data?.description} actions={links}>
      <FirewallTabs current="groups" />
      <Body name={name} detail={missing ? undefined : data} fresh={missing && fresh} missing={missing} error={error} onRetry={() => void refetch()} />
    </Page>
  );
}

function Body({ name, detail, fresh, missing, error, onRetry }: { name: string; detail: GroupDetail | undefined; fresh: boolean; missing: boolean; error: unknown; onRetry: () => void }) {
  if (detail !== undefined || fresh) return <GroupEditor name={name} detail={detail} />;
  if (missing) {
    return (
      <Card>
        <EmptyState title={text.unknown(plain(name))} action={<ActionLink to={to.groups()}>{text.toGroups}</ActionLink>} />
      </Card>
    );
  }
  return error ? <ErrorCard doing={text.doingOne(plain(name))} error={error} onRetry={onRetry} /> : <BlockSkeleton height={320} />;
}
