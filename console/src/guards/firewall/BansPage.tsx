import { lazy, Suspense } from "react";
import { useLocation, useSearchParams } from "react-router";
import { ActionLink } from "../../parts/Action/Action";
import { FilterBar } from "../../parts/FilterBar/FilterBar";
import { Page } from "../../parts/Page/Page";
import { changed, to } from "../../paths";
import { AllowTable } from "./AllowTable";
import { BanTable } from "./BanTable";
import { FeedNote } from "./FeedNote";
import { FirewallTabs } from "./FirewallTabs";
import { text } from "./text";
import { Why } from "./Why";

const AddressDrawer = lazy(() => import("./AddressDrawer"));
const ImportDrawer = lazy(() => import("./ImportDrawer"));

/** Who is shut out, why and until when; and who never is. */
export default function BansPage() {
  const { pathname } = useLocation();
  const [search, setSearch] = useSearchParams();
  const list = pathname === to.allow() ? "allow" : "bans";
  return (
    <Page
      key={list}
      title={text[list]}
      actions={
        <>
          {list === "bans" && <ActionLink to={changed(search, { show: "import" })}>{text.import.open}</ActionLink>}
          <ActionLink variant="filled" to={changed(search, { show: "add" })}>
            {list === "bans" ? text.add : text.addAllow}
          </ActionLink>
        </>
      }
    >
      <FirewallTabs current={list} />
      <FilterBar keys={[]} />
      {list === "bans" ? (
        <>
          <FeedNote />
          <BanTable />
          <Why />
        </>
      ) : (
        <AllowTable />
      )}
      <Suspense>
        <AddressDrawer list={list} />
        <ImportDrawer opened={list === "bans" && search.get("show") === "import"} onClose={() => setSearch(changed(search, { show: null }), { preventScrollReset: true })} />
      </Suspense>
    </Page>
  );
}
