import { Drawer } from "@mantine/core";
import type { Conflict, Document } from "../../../api/monitor";
import { useOpened } from "../../../parts/Late/useOpened";
import { SaveResource } from "../../../parts/ResourceForm/SaveResource";
import { text as parts } from "../../../parts/text";
import { text } from "./text";

/** The preview of a rule, over its editor. */
export default function SaveDrawer({ document, onClose, onDone, onRebase }: { document: Document | null; onClose: () => void; onDone: () => void; onRebase: (conflict: Conflict) => void }) {
  return (
    <Drawer opened={useOpened(document !== null)} onClose={onClose} position="right" size={600} title={text.previewTitle} closeButtonProps={{ "aria-label": parts.close }}>
      {document && <SaveResource document={document} onDone={onDone} onBack={onClose} onRebase={onRebase} />}
    </Drawer>
  );
}
