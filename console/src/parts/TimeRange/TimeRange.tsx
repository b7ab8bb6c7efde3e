import { useSearchParams } from "react-router";
import { changed } from "../../paths";
import { formatAbsolute } from "../../words/format";
import { RANGES, type RangeKey, rangeOf } from "../../words/range";
import { serverNow } from "../../words/now";
import { Segments } from "../Tabs/Tabs";
import { text } from "../text";

export function TimeRange() {
  const [search] = useSearchParams();
  const range = rangeOf(search, Math.floor(serverNow() / 1000));
  const options = (Object.keys(RANGES) as RangeKey[]).map((key) => ({
    key,
    title: text.range.choices[key],
    to: changed(search, { range: key, from: null, to: null }),
  }));
  if (range.key === null) {
    const title = `${formatAbsolute(range.from_s * 1000)} – ${formatAbsolute(range.to_s * 1000)}`;
    options.push({ key: "custom" as RangeKey, title, to: changed(search, {}) });
  }
  return <Segments options={options} current={range.key ?? "custom"} label={text.range.label} />;
}
