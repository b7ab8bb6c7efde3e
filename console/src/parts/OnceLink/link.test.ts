import { expect, test } from "vitest";
import { linkOf } from "./link";

test("a one-time link names its user before the secret", () => {
  expect(linkOf("https://palisade.example.org:8443", "/welcome#s3cret", "ann@example.org")).toBe("https://palisade.example.org:8443/welcome?name=ann%40example.org#s3cret");
});

test("a name that is there already is not written twice", () => {
  expect(linkOf("https://a.example", "/welcome?name=ann#x", "ann")).toBe("https://a.example/welcome?name=ann#x");
});
