import { IconCircle, IconCircleFilled, IconCircleHalf2, type Icon } from "@tabler/icons-react";
import type { ExposureRow } from "../../api/types";
import { text } from "./text";

const GLYPH: Record<ExposureRow["scope"], Icon> = { world: IconCircleFilled, private: IconCircleHalf2, host: IconCircle };

/** From where a listener can be reached; the shape says it without colour. */
export function Scope({ scope }: { scope: ExposureRow["scope"] }) {
  const Glyph = GLYPH[scope];
  return (
    <span style={{ display: "inline-flex", alignItems: "center", gap: 6, verticalAlign: "top" }}>
      <Glyph size={14} stroke={1.5} aria-hidden />
      {text.tab.scopes[scope]}
    </span>
  );
}
