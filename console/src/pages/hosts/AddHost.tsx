import { Command } from "../../parts/Command/Command";
import { text } from "./text";

/** How a host comes into the list in this version. */
export function AddHost() {
  return (
    <div style={{ display: "grid", gap: 12 }}>
      <p>{text.addLead}</p>
      <Command command={text.addCommand} on={text.serverMachine} as={text.asRoot} />
      <p className="meta">{text.addWait}</p>
      <p>{text.addOthers}</p>
    </div>
  );
}
