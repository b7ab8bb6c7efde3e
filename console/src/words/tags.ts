/** Tags of hosts as text: `role=web env=live`, values with spaces in quotes. */

export type Tags = Record<string, string>;

/** The tags as words of a line, by key. */
export function tagWords(tags: Tags): string[] {
  return Object.entries(tags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
}

export function printTags(tags: Tags): string {
  return tagWords(tags)
    .map((word) => (/\s/.test(word) ? `"${word}"` : word))
    .join(" ");
}

/** Reads a line of tags. The first word that is none comes back as `wrong`; the API checks the rest. */
export function parseTags(text: string): { tags: Tags; wrong: string | null } {
  const tags: Tags = {};
  for (const [whole, quoted] of text.matchAll(/"([^"]*)"|\S+/g)) {
    const word = quoted ?? whole;
    const at = word.indexOf("=");
    if (at < 1) return { tags, wrong: word };
    tags[word.slice(0, at)] = word.slice(at + 1);
  }
  return { tags, wrong: null };
}

/** What must be said so that `before` becomes `after`: a value sets a tag, null takes it away. */
export function tagsChange(before: Tags, after: Tags): Record<string, string | null> {
  const gone = Object.keys(before).filter((key) => !(key in after));
  const set = Object.entries(after).filter(([key, value]) => before[key] !== value);
  return Object.fromEntries([...gone.map((key): [string, null] => [key, null]), ...set]);
}
