import { useRouteError } from "react-router";
import { ErrorCard } from "../parts/Notice/Notice";
import { Page } from "../parts/Page/Page";
import { text } from "./text";

/** What stands in place of a page that broke; the rest of the console goes on. */
export function RouteError() {
  const error = useRouteError();
  return (
    <Page title={text.broken}>
      <ErrorCard doing={text.brokenDoing} error={error} onRetry={() => window.location.reload()} />
    </Page>
  );
}
