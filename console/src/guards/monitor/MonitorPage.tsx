import { HostPicker } from "../../parts/HostPicker/HostPicker";
import { Page } from "../../parts/Page/Page";
import MonitorTab from "./MonitorTab";
import { text } from "./text";

export default function MonitorPage() {
  return (
    <Page title={text.monitor}>
      <HostPicker label={text.pick} none={text.pickNone} doing={text.doingHosts}>
        {(host, picker) => (
          <>
            <div>{picker}</div>
            <MonitorTab key={host} host={host} />
          </>
        )}
      </HostPicker>
    </Page>
  );
}
