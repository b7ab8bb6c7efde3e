import { Page } from "../../parts/Page/Page";
import { FindingsTable } from "./FindingsTable";
import { text } from "./text";

export default function FindingsPage() {
  return (
    <Page title={text.findings}>
      <FindingsTable />
    </Page>
  );
}
