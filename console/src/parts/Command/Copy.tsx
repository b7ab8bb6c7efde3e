import { ActionIcon, Tooltip } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { text } from "../text";

export function Copy({ value, what }: { value: string; what: string }) {
  const clipboard = useClipboard({ timeout: 1500 });
  return (
    <Tooltip label={clipboard.copied ? text.copied : text.copy}>
      <ActionIcon variant="subtle" color="gray" size={28} aria-label={text.copyOf(what)} onClick={() => clipboard.copy(value)} c="var(--text-2)">
        {clipboard.copied ? <IconCheck size={16} stroke={1.5} /> : <IconCopy size={16} stroke={1.5} />}
      </ActionIcon>
    </Tooltip>
  );
}
