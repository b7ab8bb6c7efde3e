/** The whole address of a one-time link. */
export function linkOf(origin: string, path: string): string {
  return new URL(path, origin).href;
}

export interface Welcome {
  /** What the API is given; empty when the link is not complete. */
  token: string;
  /** Whose password is set; null for the first administrator. */
  user: string | null;
}

/** What stands behind the `#` of a one-time link: the secret, and after `&name=` whom it is for. A
 * browser sends none of it. */
export function readWelcome(hash: string): Welcome {
  const [token = "", ...rest] = hash.replace(/^#/, "").split("&");
  return { token: decoded(token), user: new URLSearchParams(rest.join("&")).get("name") };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
