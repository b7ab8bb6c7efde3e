import { HostPicker } from "../../parts/HostPicker/HostPicker";
import { Page } from "../../parts/Page/Page";
import InventoryTab from "./InventoryTab";
import { text } from "./text";

export default function InventoryPage() {
  return (
    <Page title={text.inventory}>
      <HostPicker label={text.pick} none={text.pickNone} doing={text.doing("hosts")}>
        {(host, picker) => (
          <>
            <div>{picker}</div>
            <InventoryTab key={host} host={host} />
          </>
        )}
      </HostPicker>
    </Page>
  );
}
