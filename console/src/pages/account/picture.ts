/** An SVG as the address of an image. A browser runs no script and loads nothing for an `img`. */
export function pictureOf(svg: string): string {
  const bytes = Array.from(new TextEncoder().encode(svg), (byte) => String.fromCharCode(byte));
  return `data:image/svg+xml;base64,${btoa(bytes.join(""))}`;
}
