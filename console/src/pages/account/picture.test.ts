import { expect, test } from "vitest";
import { pictureOf } from "./picture";

test("a picture is one whole data address, whatever stands in the SVG", () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><title>Pałisade "x"</title></svg>';
  const [head, body] = pictureOf(svg).split(",");
  expect(head).toBe("data:image/svg+xml;base64");
  expect(Buffer.from(body as string, "base64").toString("utf8")).toBe(svg);
});
