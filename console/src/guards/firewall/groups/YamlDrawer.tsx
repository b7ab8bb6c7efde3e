import { Button, Drawer } from "@mantine/core";
import type { GroupDetail } from "../../../api/firewall";
import { Action } from "../../../parts/Action/Action";
import { Command } from "../../../parts/Command/Command";
import { useOpened } from "../../../parts/Late/useOpened";
import { text as parts } from "../../../parts/text";
import { toYaml } from "../../../words/yaml";
import classes from "./Groups.module.css";
import { text } from "./text";

/** The saved group as a file and as commands, and the way to remove it. */
export default function YamlDrawer({ opened, detail, onClose, onRemove }: { opened: boolean; detail: GroupDetail; onClose: () => void; onRemove: () => void }) {
  const { name, spec, version } = detail;
  return (
    <Drawer opened={useOpened(opened)} onClose={onClose} position="right" size={640} title={text.asYaml} closeButtonProps={{ "aria-label": parts.close }}>
      <div style={{ display: "grid", gap: 16 }}>
        <Command command={toYaml({ kind: "SecurityGroup", name, version, spec })} note={text.fileNote(name)} what={text.yaml} />
        <h3>{text.commands}</h3>
        <Command command={`palisade firewall group show ${name}\npalisade firewall hits --group ${name}`} />
        <div className={classes.links}>
          <Action can={detail.can.delete} onClick={onRemove}>
            {text.remove}
          </Action>
          <Button onClick={onClose}>{parts.close}</Button>
        </div>
      </div>
    </Drawer>
  );
}
