import { Checkbox, Modal } from "@mantine/core";
import { useState } from "react";
import classes from "./Shell.module.css";
import { SHORTCUTS_KEY } from "./shortcuts";
import { text } from "./text";

export default function Keys({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useState(() => localStorage.getItem(SHORTCUTS_KEY) !== "off");
  return (
    <Modal opened onClose={onClose} title={text.shortcuts} closeButtonProps={{ "aria-label": text.close }}>
      <dl className={classes.keys}>
        {text.keys.map(([key, meaning]) => (
          <div key={key} style={{ display: "contents" }}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <Checkbox
        size="xs"
        label={text.shortcutsOn}
        description={text.shortcutsNote}
        checked={on}
        onChange={(event) => {
          localStorage.setItem(SHORTCUTS_KEY, event.currentTarget.checked ? "on" : "off");
          setOn(event.currentTarget.checked);
        }}
      />
    </Modal>
  );
}
