import { useLocation, useSearchParams } from "react-router";
import { ActionLink } from "../../parts/Action/Action";
import { FilterBar } from "../../parts/FilterBar/FilterBar";
import { Page } from "../../parts/Page/Page";
import { changed, to } from "../../paths";
import { AddressDrawer } from "./AddressDrawer";
import { AllowTable } from "./AllowTable";
import { BanTable } from "./BanTable";
import { FirewallTabs } from "./FirewallTabs";
import { text } from "./text";

/** Who is shut out, why and until when; and who never is. */
export default function BansPage() {
  const { pathname } = useLocation();
  const [search] = useSearchParams();
  const list = pathname === to.allow() ? "allow" : "bans";
  return (
    <Page
      key={list}
      title={text[list]}
      actions={
        <ActionLink variant="filled" to={changed(search, { show: "add" })}>
          {list === "bans" ? text.add : text.addAllow}
        </ActionLink>
      }
    >
      <FirewallTabs current={list} />
      <FilterBar keys={[]} />
      {list === "bans" ? <BanTable /> : <AllowTable />}
      <AddressDrawer list={list} />
    </Page>
  );
}
