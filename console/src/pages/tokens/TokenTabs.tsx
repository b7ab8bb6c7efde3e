import { Tabs } from "../../parts/Tabs/Tabs";
import { to } from "../../paths";
import { text } from "./text";

/** Keys for programs, and keys for hosts. */
export function TokenTabs({ current }: { current: "tokens" | "join-tokens" }) {
  return (
    <Tabs
      label={text.kinds}
      current={current}
      tabs={[
        { key: "tokens", title: text.tokens, to: to.tokens() },
        { key: "join-tokens", title: text.joinTokens, to: to.joinTokens() },
      ]}
    />
  );
}
