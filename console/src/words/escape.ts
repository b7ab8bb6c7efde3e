/** Hostile text made visible: control characters, bidirectional overrides and other characters that
 * hide or reorder what stands beside them come out as escapes. Line feeds and tabs stay. */

const HIDING =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

export interface Piece {
  text: string;
  /** True for an escape that stands for a character that would not be seen. */
  escaped: boolean;
}

export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(HIDING)) {
    if (match.index > end) out.push({ text: text.slice(end, match.index), escaped: false });
    out.push({ text: nameOf(match[0]), escaped: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) out.push({ text: text.slice(end), escaped: false });
  return out;
}

/** The whole text in one line of plain characters. */
export function plain(text: string): string {
  return pieces(text)
    .map((piece) => piece.text)
    .join("");
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
