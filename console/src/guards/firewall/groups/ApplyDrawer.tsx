import { Drawer } from "@mantine/core";
import type { Document } from "../../../api/monitor";
import { useOpened } from "../../../parts/Late/useOpened";
import { SaveResource } from "../../../parts/ResourceForm/SaveResource";
import { text as parts } from "../../../parts/text";
import { text } from "./text";

/** What the kernel takes back by itself unless somebody keeps it. */
const PROBATION = "60s";

/** The plan of a draft: effects first, then hosts and steps; out on probation. */
export default function ApplyDrawer({ document, removes, onClose, onDone, onRebase }: { document: Document | null; removes: boolean; onClose: () => void; onDone: () => void; onRebase: (version: number) => void }) {
  return (
    <Drawer opened={useOpened(document !== null)} onClose={onClose} position="right" size={640} title={text.previewTitle} closeButtonProps={{ "aria-label": parts.close }}>
      {document && <SaveResource document={document} removes={removes} probation={PROBATION} onDone={onDone} onBack={onClose} onRebase={(conflict) => onRebase(conflict.version)} />}
    </Drawer>
  );
}
