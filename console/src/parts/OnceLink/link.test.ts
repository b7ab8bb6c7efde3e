import { expect, test } from "vitest";
import { linkOf, readWelcome } from "./link";

test("a one-time link is whole, with its secret behind the #", () => {
  expect(linkOf("https://palisade.example.org:8443", "/welcome#s3cret&name=ann@example.org")).toBe("https://palisade.example.org:8443/welcome#s3cret&name=ann@example.org");
});

test("a link for a user names the user, one for the first administrator nobody", () => {
  expect(readWelcome("#s3cret&name=ann@example.org")).toEqual({ token: "s3cret", user: "ann@example.org" });
  expect(readWelcome("#s3cret")).toEqual({ token: "s3cret", user: null });
});

test("a link that lost its end has no token, and a broken one breaks nothing", () => {
  expect(readWelcome("")).toEqual({ token: "", user: null });
  expect(readWelcome("#%E0%A4%A")).toEqual({ token: "%E0%A4%A", user: null });
});
