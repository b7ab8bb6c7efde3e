import { useParams } from "react-router";
import { useList } from "../../../api/queries";
import { ActionLink } from "../../../parts/Action/Action";
import { BlockSkeleton, EmptyState, ErrorCard } from "../../../parts/Notice/Notice";
import { Card, Page } from "../../../parts/Page/Page";
import { to } from "../../../paths";
import { plain } from "../../../words/escape";
import RuleEditor from "./RuleEditor";
import { text } from "./text";

export default function RulePage() {
  const { name = "" } = useParams();
  const { rows, error, refetch } = useList("monitor/rules", { limit: 1_000 });
  const rule = rows?.find((row) => row.name === name);
  return (
    <Page title={plain(name)}>
      {error && rows === undefined ? (
        <ErrorCard doing={text.doing} error={error} onRetry={refetch} />
      ) : rows === undefined ? (
        <BlockSkeleton height={320} />
      ) : rule === undefined ? (
        <Card>
          <EmptyState title={text.unknown(plain(name))} action={<ActionLink to={to.rules()}>{text.toRules}</ActionLink>} />
        </Card>
      ) : (
        <RuleEditor key={rule.name} rule={rule} />
      )}
    </Page>
  );
}
