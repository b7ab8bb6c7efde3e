import { Drawer } from "@mantine/core";
import { Nav } from "./Nav";
import classes from "./Shell.module.css";
import { text } from "./text";

/** The sidebar as a drawer, below 768 px. */
export default function PhoneNav({ onClose }: { onClose: () => void }) {
  return (
    <Drawer opened onClose={onClose} title={text.product} size={280} padding={12} closeButtonProps={{ "aria-label": text.close }}>
      <div className={classes.drawerNav}>
        <Nav onGo={onClose} />
      </div>
    </Drawer>
  );
}
