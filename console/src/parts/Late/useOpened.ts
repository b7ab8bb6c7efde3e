import { useEffect, useState } from "react";

/** For a drawer that is loaded when it is first wanted: it comes closed and opens a moment later, so
 * that it knows where the focus was and can give it back. */
export function useOpened(opened: boolean): boolean {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(opened), [opened]);
  return open;
}
