/** Networks as they are pasted, one a line or between blanks; comments go. */
export function prefixesOf(text: string): string[] {
  const found = text.split("\n").flatMap((line) => (line.split("#")[0] ?? "").split(/[\s,;]+/));
  return [...new Set(found.filter((word) => word !== ""))];
}
