import { useLocation } from "react-router";
import { ActionLink } from "../parts/Action/Action";
import { EmptyState } from "../parts/Notice/Notice";
import { Card, Page } from "../parts/Page/Page";
import { to } from "../paths";
import { plain } from "../words/escape";
import { text } from "./text";

export default function NotFoundPage() {
  const { pathname } = useLocation();
  return (
    <Page title={text.notFound}>
      <Card>
        <EmptyState title={text.notFoundLead(plain(pathname))} action={<ActionLink to={to.overview()}>{text.toOverview}</ActionLink>} />
      </Card>
    </Page>
  );
}
