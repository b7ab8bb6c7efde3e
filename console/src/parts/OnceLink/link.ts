/** The whole address of a one-time link. It names the user before the `#`, so that the page can say
 * whose password is set; the secret behind the `#` is never sent by a browser. */
export function linkOf(origin: string, path: string, user: string): string {
  const url = new URL(path, origin);
  url.searchParams.set("name", user);
  return url.href;
}
